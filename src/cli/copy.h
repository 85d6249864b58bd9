/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy: bytes from one descriptor to another, as they come, while the main loop runs.
 *
 * What is on the way is bounded by one buffer: who does not read stops who writes. No descriptor
 * has to be non-blocking, because the standard streams are shared with whoever started us, who
 * would be surprised.
 */
#pragma once

#include <glib.h>

typedef struct Copy Copy;

/*
 * What is passed on of what was read, appended to `out`; size 0: the end was read. FALSE ends the
 * copy when `out` is written.
 */
typedef gboolean (*CopyFilter)(const guint8 *bytes, gsize size, GByteArray *out, gpointer data);

/* Once: all is copied. Each error is an errno, or 0. */
typedef void (*CopyEnded)(int read_error, int write_error, gpointer data);

/* Begins; the descriptors stay the caller's, and open as long as this. filter: NULL for none. */
Copy *copy_new(int from, int to, CopyFilter filter, CopyEnded ended, gpointer data);

/* Not in its own callbacks. NULL is fine. */
void copy_free(Copy *copy);
