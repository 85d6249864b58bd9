/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input: one loop over read(2). */
#include "input.h"

#include <errno.h>
#include <unistd.h>

static void
set_too_long(GError **error, const char *what, gsize max)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                "%s is longer than %" G_GSIZE_FORMAT " MiB", what, max / (1024 * 1024));
}

GString *
input_read(int fd, gsize max, const char *what, GError **error)
{
    g_autoptr(GString) input = g_string_new(NULL);
    char chunk[65536];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot read %s: %s",
                        what, g_strerror(errno));
            return NULL;
        }
        if (input->len + (gsize)n > max) {
            set_too_long(error, what, max);
            return NULL;
        }
        g_string_append_len(input, chunk, n);
    }
    return g_steal_pointer(&input);
}
