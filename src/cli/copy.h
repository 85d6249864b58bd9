/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy: bytes from one descriptor to another, as they arrive, while the main loop runs.
 *
 * At most one buffer of bytes has been read and not written: a slow reader stops the writer. The
 * descriptors may be blocking ones, as the standard streams are, whose flags are shared with other
 * programs.
 */
#pragma once

#include <glib.h>

typedef struct Copy Copy;

/*
 * Appends to `out` what is to be written in place of the bytes that were read; size 0: the end was
 * read. If it returns FALSE, the copy ends when `out` is written.
 */
typedef gboolean (*CopyFilter)(const guint8 *bytes, gsize size, GByteArray *out, gpointer data);

/* Called once, at the end. Each error is an errno, or 0. */
typedef void (*CopyEnded)(int read_error, int write_error, gpointer data);

/* Begins. The descriptors remain the caller's and must stay open until copy_free(). filter: NULL
 * for none. */
Copy *copy_new(int from, int to, CopyFilter filter, CopyEnded ended, gpointer data);

/* May be called in `ended`, but not in a filter. NULL is allowed. */
void copy_free(Copy *copy);
