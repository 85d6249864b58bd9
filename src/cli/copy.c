/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copy: it reads only when nothing is left to write, so one event source is enough. */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#define READ_SIZE 65536

struct Copy {
    int from, to;
    gsize write_max; /* bytes that one write may have and not block */
    guint source;    /* waits for bytes or for room; 0: the copy has ended */
    GByteArray *pending;
    gsize written;
    gboolean is_last; /* nothing more is read */
    int read_error;
    CopyFilter filter;
    CopyEnded ended;
    gpointer data;
};

static void wait_for_bytes(Copy *copy);

static void
end(Copy *copy, int write_error)
{
    copy->source = 0;
    copy->ended(copy->read_error, write_error, copy->data);
}

static gboolean
has_room(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};

    return poll(&waiting, 1, /* timeout= */ 0) == 1;
}

/* Writes while there is room. */
static int
write_pending(Copy *copy)
{
    while (copy->written < copy->pending->len && has_room(copy->to)) {
        ssize_t n = write(copy->to, copy->pending->data + copy->written,
                          MIN(copy->pending->len - copy->written, copy->write_max));

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            return errno;
        copy->written += MAX(n, 0);
    }
    return 0;
}

static gboolean
on_room(int fd, GIOCondition condition, gpointer data)
{
    Copy *copy = data;
    int error = write_pending(copy);

    if (error == 0 && copy->written < copy->pending->len)
        return G_SOURCE_CONTINUE;
    if (error != 0 || copy->is_last)
        end(copy, error);
    else
        wait_for_bytes(copy);
    return G_SOURCE_REMOVE;
}

static void
take(Copy *copy, const guint8 *bytes, gsize size)
{
    g_byte_array_set_size(copy->pending, 0);
    copy->written = 0;
    copy->is_last = size == 0;
    if (copy->filter == NULL)
        g_byte_array_append(copy->pending, bytes, size);
    else if (!copy->filter(bytes, size, copy->pending, copy->data))
        copy->is_last = TRUE;
}

static gboolean
on_bytes(int fd, GIOCondition condition, gpointer data)
{
    Copy *copy = data;
    guint8 bytes[READ_SIZE];
    ssize_t n = read(fd, bytes, sizeof bytes);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return G_SOURCE_CONTINUE;
    if (n < 0)
        copy->read_error = errno;
    take(copy, bytes, MAX(n, 0));
    copy->source = g_unix_fd_add(copy->to, G_IO_OUT, on_room, copy);
    return G_SOURCE_REMOVE;
}

static void
wait_for_bytes(Copy *copy)
{
    copy->source = g_unix_fd_add(copy->from, G_IO_IN, on_bytes, copy);
}

/* A blocking pipe that has room takes PIPE_BUF bytes without blocking. */
static gsize
find_write_max(int fd)
{
    return fcntl(fd, F_GETFL) & O_NONBLOCK ? READ_SIZE : PIPE_BUF;
}

Copy *
copy_new(int from, int to, CopyFilter filter, CopyEnded ended, gpointer data)
{
    Copy *copy = g_new0(Copy, 1);

    copy->from = from;
    copy->to = to;
    copy->write_max = find_write_max(to);
    copy->pending = g_byte_array_sized_new(READ_SIZE);
    copy->filter = filter;
    copy->ended = ended;
    copy->data = data;
    wait_for_bytes(copy);
    return copy;
}

void
copy_free(Copy *copy)
{
    if (copy == NULL)
        return;
    if (copy->source != 0)
        g_source_remove(copy->source);
    g_byte_array_unref(copy->pending);
    g_free(copy);
}
