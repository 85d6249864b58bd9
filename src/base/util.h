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

/* Calls `function` once after `ms` milliseconds, or a million days. g_timeout_add() counts them in
 * 32 bits, which are 49 days. */
guint util_timeout_add(guint64 ms, GSourceOnceFunc function, gpointer data);

/* The id of this boot of the host, 36 characters; "" when there is none. */
const char *util_boot_id(void);

/* Removes a file, or a folder and its contents. It need not exist. Does not follow symbolic links.
 */
gboolean util_remove_tree(const char *path, GError **error);
/* The same for an entry of the folder with the descriptor `parent`. */
gboolean util_remove_tree_at(int parent, const char *name, GError **error);

/* Sets `error` to CLOCHE_ERROR_FAILED: the text, a colon, and the text of `errnum`. Returns FALSE.
 */
gboolean util_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
