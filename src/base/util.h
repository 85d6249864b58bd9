/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util: small things that GLib and libsystemd lack. */
#pragma once

#include <glib.h>

/* A new id: 16 characters of [a-z2-7], 80 random bits. */
char *util_new_id(void);

/* Fills `out` with random bytes of the kernel. Aborts when the kernel has none to give. */
void util_random(void *out, gsize size);

/* Microseconds on CLOCK_BOOTTIME, which runs on during suspend and which nobody sets. */
gint64 util_boottime_us(void);

/* The id of this boot of the host, 36 characters; "" when it has none. */
const char *util_boot_id(void);

/* Removes a file or a whole folder; what is not there is fine. Never follows symbolic links. */
gboolean util_remove_tree(const char *path, GError **error);

/* Makes a folder with this mode (whatever the umask), and its parents with the mode 0755. */
gboolean util_make_directory(const char *path, mode_t mode, GError **error);

/* Sets `error` to code FAILED (see error.h): the text, a colon, and errno's text. Returns FALSE. */
gboolean util_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
