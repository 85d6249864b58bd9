/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* escape: only Enter starts a line, because this side does not know the output of the terminal. */
#include "escape.h"

static void
type(Escape *escape, guint8 key, GByteArray *out)
{
    g_byte_array_append(out, &key, 1);
    escape->is_inside = key != '\r' && key != '\n';
}

gboolean
escape_pass(Escape *escape, const guint8 *keys, gsize size, GByteArray *out)
{
    for (gsize i = 0; i < size; i++) {
        gboolean had_tilde = escape->has_tilde;

        escape->has_tilde = FALSE;
        if (had_tilde && keys[i] == '.')
            return FALSE;
        if (had_tilde && keys[i] == '?') {
            escape->wants_help = TRUE;
        } else if (!had_tilde && !escape->is_inside && keys[i] == '~') {
            escape->has_tilde = TRUE;
        } else {
            if (had_tilde && keys[i] != '~')
                type(escape, '~', out);
            type(escape, keys[i], out);
        }
    }
    return TRUE;
}
