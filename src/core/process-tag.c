/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-tag: the tag by which a guest's agent knows a kept process. */
#include "process-tag.h"

#include <string.h>

#define PREFIX "process "

char *
process_tag_make(guint32 number, gboolean is_terminal, const char *callers_tag)
{
    return g_strdup_printf(PREFIX "%u %c %s", number, is_terminal ? 't' : 'p', callers_tag);
}

gboolean
process_tag_parse(const char *tag, guint32 *ret_number, gboolean *ret_is_terminal,
                  const char **ret_callers_tag)
{
    g_autofree char *digits = NULL;
    const char *space;
    guint64 number;

    if (!g_str_has_prefix(tag, PREFIX) || !(space = strchr(tag + strlen(PREFIX), ' ')))
        return FALSE;
    digits = g_strndup(tag + strlen(PREFIX), (gsize)(space - tag) - strlen(PREFIX));
    if (!g_ascii_string_to_unsigned(digits, 10, 1, PROCESS_NUMBER_MAX, &number, NULL) ||
        (space[1] != 't' && space[1] != 'p') || space[2] != ' ' ||
        strlen(space + 3) > PROCESS_TAG_MAX)
        return FALSE;
    *ret_number = (guint32)number;
    *ret_is_terminal = space[1] == 't';
    *ret_callers_tag = space + 3;
    return TRUE;
}
