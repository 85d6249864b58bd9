/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names: which names files and folders of the store may have. */
#include "names.h"

#include <string.h>

static gboolean
consists_of(const char *name, const char *characters, gsize length_max)
{
    gsize length = strlen(name);

    return length >= 1 && length <= length_max && strspn(name, characters) == length;
}

gboolean
image_name_is_valid(const char *name)
{
    return g_ascii_islower(name[0]) &&
           consists_of(name, "abcdefghijklmnopqrstuvwxyz0123456789-", 32);
}

gboolean
template_key_is_valid(const char *key)
{
    return consists_of(key, "0123456789abcdef", 64);
}

gboolean
record_id_is_valid(const char *id)
{
    return consists_of(id, "abcdefghijklmnopqrstuvwxyz0123456789", 64);
}
