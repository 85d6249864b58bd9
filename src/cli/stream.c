/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream: poll(2), then as many bytes as cannot block. */
#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* Returns 0 when the descriptor is ready. */
static int
wait_until_ready(Stream *stream, short events)
{
    struct pollfd fds[] = {
        {.fd = stream->fd, .events = events},
        {.fd = g_cancellable_get_fd(stream->interrupted), .events = POLLIN},
    };
    int n;

    do
        n = poll(fds, G_N_ELEMENTS(fds), /* timeout= */ -1);
    while (n < 0 && errno == EINTR);
    if (fds[1].fd >= 0)
        g_cancellable_release_fd(stream->interrupted);
    if (n < 0)
        return -errno;
    return g_cancellable_is_cancelled(stream->interrupted) ? -ECANCELED : 0;
}

gssize
stream_read(Stream *stream, void *bytes, gsize size)
{
    gssize n;
    int r;

    do {
        r = wait_until_ready(stream, POLLIN);
        if (r < 0)
            return r;
        n = read(stream->fd, bytes, size);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0)
        return -errno;
    g_atomic_pointer_add(&stream->moved, n);
    return n;
}

/* A pipe that is ready takes PIPE_BUF bytes without blocking. */
int
stream_write(Stream *stream, const void *bytes, gsize size)
{
    const guint8 *rest = bytes;

    while (size > 0) {
        int r = wait_until_ready(stream, POLLOUT);
        gssize n;

        if (r < 0)
            return r;
        n = write(stream->fd, rest, MIN(size, PIPE_BUF));
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        rest += MAX(n, 0);
        size -= MAX(n, 0);
        g_atomic_pointer_add(&stream->moved, MAX(n, 0));
    }
    return 0;
}

guint64
stream_moved(Stream *stream)
{
    return GPOINTER_TO_SIZE(g_atomic_pointer_get(&stream->moved));
}

gboolean
stream_set_error(GError **error, int negative_errno, const char *what)
{
    if (negative_errno == -ECANCELED)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                            "the transfer was interrupted");
    else if (negative_errno == -ECONNRESET)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO,
                    "'%s' was cut off: reading it failed, or its sandbox ended", what);
    else if (negative_errno == -EFBIG)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "'%s' is larger than a file can be on the file system to which it is copied; "
                    "leave it out, or copy to another file system",
                    what);
    else
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-negative_errno), "'%s': %s", what,
                    g_strerror(-negative_errno));
    return FALSE;
}
