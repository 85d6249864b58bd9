/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* closing: sockets to servers after their connection has ended. */
#include "closing.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int fd;
    gsize bytes;
} ClosingSocket;

struct Closing {
    GQueue sockets; /* of ClosingSocket, the oldest first */
    gsize bytes;
};

Closing *
closing_new(void)
{
    Closing *closing = g_new0(Closing, 1);

    g_queue_init(&closing->sockets);
    return closing;
}

/* The kernel forgets the bytes, and the server gets a reset. If it has everything, the connection
 * has ended already, and nothing is sent. */
static void
reset(int fd)
{
    const struct linger now = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void
drop_oldest(Closing *closing)
{
    ClosingSocket *oldest = g_queue_pop_head(&closing->sockets);

    closing->bytes -= oldest->bytes;
    reset(oldest->fd);
    g_free(oldest);
}

void
closing_free(Closing *closing)
{
    if (!closing)
        return;
    while (closing->sockets.length > 0)
        drop_oldest(closing);
    g_free(closing);
}

/* Returns how many bytes the server has not acknowledged. The end counts as one. */
static gsize
unacknowledged(int fd)
{
    int bytes = 0;

    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 1 ? (gsize)bytes : 0;
}

static void
keep(Closing *closing, int fd, gsize bytes)
{
    ClosingSocket *socket = g_new(ClosingSocket, 1);

    *socket = (ClosingSocket){.fd = fd, .bytes = bytes};
    closing->bytes += bytes;
    g_queue_push_tail(&closing->sockets, socket);
    while (closing->sockets.length > 1 &&
           (closing->bytes > CLOSING_BYTES_MAX || closing->sockets.length > CLOSING_SOCKETS_MAX))
        drop_oldest(closing);
}

void
closing_take(Closing *closing, int fd, gboolean is_shut)
{
    gsize bytes = unacknowledged(fd);

    if (!is_shut)
        reset(fd);
    else if (bytes > 0)
        keep(closing, fd, bytes);
    else
        close(fd);
}
