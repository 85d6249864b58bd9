/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: a descriptor that a thread reads or writes, counted, until somebody interrupts it.
 *
 * The descriptor may be blocking, as standard output is, whose flags are shared with others.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
    int fd;
    GCancellable *interrupted; /* NULL: never */
    gsize moved;               /* see stream_moved() */
} Stream;

/* How many bytes there are at most; 0: the end. Gives a negative errno, ECANCELED when interrupted.
 */
gssize stream_read(Stream *stream, void *bytes, gsize size);

/* Writes all of it. Gives 0 or a negative errno. */
int stream_write(Stream *stream, const void *bytes, gsize size);

/* Bytes so far, told to any thread. */
guint64 stream_moved(Stream *stream);

/* What a negative errno of stream_read() means for a stream that a sandbox gives: G_FILE_ERROR, or
 * G_IO_ERROR_CANCELLED. what: names it. */
void stream_set_error(GError **error, int negative_errno, const char *what);
