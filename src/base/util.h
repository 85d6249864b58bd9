/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util: small functions that GLib and libsystemd lack. */
#pragma once

#include <glib.h>

/* A new id: 16 characters of [a-z2-7], 80 random bits. */
char *util_new_id(void);

/* Fills `out`, at most 256 bytes, with random bytes of the kernel. Aborts when that fails. */
void util_random(void *out, gsize size);

/* Microseconds on CLOCK_BOOTTIME, which includes suspend and cannot be set. */
gint64 util_boottime_us(void);

/* The id of this boot of the host, 36 characters; "" when there is none. */
const char *util_boot_id(void);

/* Removes a file, or a folder and its contents. It need not exist. Does not follow symbolic links.
 */
gboolean util_remove_tree(const char *path, GError **error);

/* Makes a folder with this mode regardless of the umask, and its parents with the mode 0755. */
gboolean util_make_directory(const char *path, mode_t mode, GError **error);

/* Sets `error` to CLOCHE_ERROR_FAILED: the text, a colon, and the text of `errnum`. Returns FALSE.
 */
gboolean util_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
