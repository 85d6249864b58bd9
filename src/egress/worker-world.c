/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-world: the network of the host. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "routes.h"
#include "worker-private.h"

/* Bytes that the kernel keeps for a server that does not take them, besides those on their way. */
#define UNSENT_MAX (128 * 1024)

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

static socklen_t
fill(Address *ret, const NetAddress *address, guint16 port)
{
    *ret = (Address){0};
    if (net_address_is_v4(address)) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        memcpy(&ret->v4.sin_addr, address->bytes + 12, sizeof ret->v4.sin_addr);
        return sizeof ret->v4;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    memcpy(&ret->v6.sin6_addr, address->bytes, sizeof ret->v6.sin6_addr);
    return sizeof ret->v6;
}

static void
set_options(int fd, guint buffer)
{
    const int on = 1, unsent = UNSENT_MAX;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (buffer > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
}

static int
connect_to(const NetAddress *address, guint16 port, guint buffer, gpointer data)
{
    Address target;
    socklen_t size = fill(&target, address, port);
    int fd = socket(target.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

    if (fd < 0)
        return -errno;
    set_options(fd, buffer);
    if (connect(fd, &target.any, size) == 0 || errno == EINPROGRESS)
        return fd;
    error = errno;
    close(fd);
    return -error;
}

static int
reach(const NetAddress *address, gint64 now, NetReach *ret, gpointer data)
{
    return routes_ask(data, address, now, ret);
}

WorkerWorld
worker_world_new(Routes *routes)
{
    return (WorkerWorld){.connect = connect_to, .reach = reach, .data = routes};
}
