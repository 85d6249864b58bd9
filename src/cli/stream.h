/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: a descriptor that a thread reads or writes until it is interrupted, with a count of
 * bytes.
 *
 * The descriptor may be a blocking one, like standard output, whose flags are shared with other
 * programs.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
    int fd;
    GCancellable *interrupted; /* NULL: never */
    gsize moved;               /* see stream_moved() */
} Stream;

/* Returns the number of bytes read, 0 at the end, or a negative errno: ECANCELED if interrupted. */
gssize stream_read(Stream *stream, void *bytes, gsize size);

/* Writes all bytes. Returns 0 or a negative errno. */
int stream_write(Stream *stream, const void *bytes, gsize size);

/* Returns the number of bytes so far. May be called in any thread. */
guint64 stream_moved(Stream *stream);

/*
 * Sets an error for a negative errno of a stream or file, of G_FILE_ERROR or G_IO_ERROR_CANCELLED,
 * and returns FALSE. what: names the stream.
 */
gboolean stream_set_error(GError **error, int negative_errno, const char *what);
