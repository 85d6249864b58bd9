/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-text: bytes of a guest as text for people and scripts. */
#include "guest-text.h"

#include <string.h>

#define REPLACEMENT_SIZE 3u /* of U+FFFD */

char *
guest_text(const guint8 *bytes, gsize size, gsize max, gboolean *ret_invalid, gboolean *ret_cut)
{
    const char *raw = bytes ? (const char *)bytes : ""; /* an empty array has no memory */
    char *text = g_utf8_make_valid(raw, (gssize)size);
    const char *end;

    *ret_invalid = !g_utf8_validate_len(raw, size, NULL);
    *ret_cut = strlen(text) > max;
    if (*ret_cut) {
        g_utf8_validate_len(text, max, &end);
        text[end - text] = '\0';
    }
    return text;
}

gsize
guest_text_size(const guint8 *bytes, gsize size)
{
    const char *rest = (const char *)bytes, *end = rest + size, *invalid;
    gsize total = 0;

    while (rest < end && !g_utf8_validate_len(rest, (gsize)(end - rest), &invalid)) {
        total += (gsize)(invalid - rest) + REPLACEMENT_SIZE;
        rest = invalid + 1;
    }
    return total + (gsize)(end - rest);
}

gsize
guest_text_without_partial(const char *text, gsize size)
{
    for (gsize back = 1; back <= MIN(size, 3); back++)
        if (g_utf8_get_char_validated(text + size - back, (gssize)back) == (gunichar)-2)
            return size - back;
    return size;
}

gboolean
guest_text_is_mime_type(const char *mime_type)
{
    return g_str_has_prefix(mime_type, "text/") || g_str_has_suffix(mime_type, "json") ||
           g_str_has_suffix(mime_type, "javascript") || g_str_has_suffix(mime_type, "+xml");
}
