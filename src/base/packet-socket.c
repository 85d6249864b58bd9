/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* packet-socket: packets with at most one descriptor. */
#include "packet-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"

/* A peer that leaves so many packets unread is given up. */
#define QUEUE_MAX 4096u
/* Before a packet is tried again for which the kernel has no room. */
#define PAUSE_MS 100u

struct PacketSocket {
    int fd;
    gsize packet_max;
    char *buffer;
    const PacketSocketEvents *events;
    gpointer data;
    guint input, output, failure, pause; /* sources; 0: none */
    gboolean is_stalled;                 /* the kernel has no room for the next packet */
    GQueue queue;                        /* of Packet: to be sent */
};

typedef struct {
    gsize size;
    int fd; /* owned; -1: none */
    char bytes[];
} Packet;

static void
packet_free(gpointer data)
{
    Packet *packet = data;

    if (packet->fd >= 0)
        close(packet->fd);
    g_free(packet);
}

static void
stop(PacketSocket *socket)
{
    g_clear_handle_id(&socket->input, g_source_remove);
    g_clear_handle_id(&socket->output, g_source_remove);
    g_clear_handle_id(&socket->failure, g_source_remove);
    g_clear_handle_id(&socket->pause, g_source_remove);
}

/* From the main loop only: `closed` may free the socket. */
static void
fail(PacketSocket *socket)
{
    stop(socket);
    shutdown(socket->fd, SHUT_RDWR);
    socket->events->closed(socket->data);
}

/* --- input --- */

/* Returns how many descriptors there are. The first one is *ret_fd; all others are closed. */
static guint
take_fds(struct msghdr *message, int *ret_fd)
{
    guint n = 0;

    *ret_fd = -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        gsize size = part->cmsg_len - CMSG_LEN(0);

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize at = 0; at + sizeof(int) <= size; at += sizeof(int), n++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
            if (n == 0)
                *ret_fd = fd;
            else
                closer_close(fd);
        }
    }
    return n;
}

/* FALSE: the socket cannot be used any more. *ret_size is -1 when there is no packet. */
static gboolean
receive(PacketSocket *socket, gssize *ret_size, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CLOSER_RECEIVED_MAX)];
    } control;
    struct iovec part = {.iov_base = socket->buffer, .iov_len = socket->packet_max};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    guint fds;

    *ret_size = recvmsg(socket->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (*ret_size < 0)
        return errno == EAGAIN || errno == EINTR;
    fds = take_fds(&message, ret_fd);
    if (*ret_size > 0 && fds <= 1 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return TRUE;
    if (*ret_fd >= 0)
        closer_close(*ret_fd);
    return FALSE;
}

/* One packet for each call, because the callee may free the socket. */
static gboolean
on_input(int fd, GIOCondition condition, gpointer data)
{
    PacketSocket *socket = data;
    gssize size;
    int received = -1;

    if (!receive(socket, &size, &received)) {
        socket->input = 0;
        fail(socket);
        return G_SOURCE_REMOVE;
    }
    if (size > 0 && !socket->events->packet(socket->buffer, (gsize)size, received, socket->data)) {
        socket->input = 0;
        fail(socket);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* --- output --- */

static gboolean
on_failure(gpointer data)
{
    PacketSocket *socket = data;

    socket->failure = 0;
    fail(socket);
    return G_SOURCE_REMOVE;
}

/* FALSE with errno. */
static gboolean
transmit(const PacketSocket *socket, const void *bytes, gsize size, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    }
    return sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (gssize)size;
}

static gboolean on_output(int fd, GIOCondition condition, gpointer data);

static gboolean
on_pause_over(gpointer data)
{
    PacketSocket *socket = data;

    socket->pause = 0;
    socket->output = g_unix_fd_add(socket->fd, G_IO_OUT, on_output, socket);
    return G_SOURCE_REMOVE;
}

/* A user may have only so many descriptors on their way to processes that have not read them, and
 * the kernel does not say when there is room again. */
static void
pause_output(PacketSocket *socket)
{
    if (!socket->is_stalled)
        g_warning("A message waits until the kernel has room for it: %s", g_strerror(errno));
    socket->is_stalled = TRUE;
    socket->output = 0;
    socket->pause = g_timeout_add(PAUSE_MS, on_pause_over, socket);
}

static void
send_next(PacketSocket *socket)
{
    Packet *packet = g_queue_peek_head(&socket->queue);

    if (!packet)
        return;
    if (transmit(socket, packet->bytes, packet->size, packet->fd)) {
        socket->is_stalled = FALSE;
        packet_free(g_queue_pop_head(&socket->queue));
    } else if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM) {
        pause_output(socket);
    } else if (errno != EAGAIN && errno != EINTR) {
        g_queue_clear_full(&socket->queue, packet_free); /* the input reports the end */
    }
}

static gboolean
on_output(int fd, GIOCondition condition, gpointer data)
{
    PacketSocket *socket = data;

    send_next(socket);
    if (socket->pause != 0)
        return G_SOURCE_REMOVE;
    if (!g_queue_is_empty(&socket->queue))
        return G_SOURCE_CONTINUE;
    socket->output = 0;
    return G_SOURCE_REMOVE;
}

/* A descriptor that cannot be duplicated is missing in the packet, which then violates the
 * protocol. */
static void
enqueue(PacketSocket *socket, const void *bytes, gsize size, int fd)
{
    Packet *packet = g_malloc(sizeof *packet + size);

    packet->size = size;
    packet->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    memcpy(packet->bytes, bytes, size);
    g_queue_push_tail(&socket->queue, packet);
    if (socket->output == 0 && socket->pause == 0)
        socket->output = g_unix_fd_add(socket->fd, G_IO_OUT, on_output, socket);
}

void
packet_socket_send(PacketSocket *socket, const void *bytes, gsize size, int fd)
{
    if (g_queue_is_empty(&socket->queue) && transmit(socket, bytes, size, fd))
        return;
    if (g_queue_get_length(&socket->queue) < QUEUE_MAX)
        enqueue(socket, bytes, size, fd);
    else if (socket->failure == 0)
        socket->failure = g_idle_add(on_failure, socket);
}

guint
packet_socket_waiting(const PacketSocket *socket)
{
    return g_queue_get_length((GQueue *)&socket->queue);
}

/* --- life --- */

PacketSocket *
packet_socket_new(int fd, gsize packet_max, const PacketSocketEvents *events, gpointer data)
{
    PacketSocket *socket = g_new0(PacketSocket, 1);

    socket->fd = fd;
    socket->packet_max = packet_max;
    socket->buffer = g_malloc(packet_max);
    socket->events = events;
    socket->data = data;
    g_queue_init(&socket->queue);
    socket->input = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, socket);
    return socket;
}

void
packet_socket_free(PacketSocket *socket)
{
    if (!socket)
        return;
    stop(socket);
    closer_close(socket->fd);
    g_queue_clear_full(&socket->queue, packet_free);
    g_free(socket->buffer);
    g_free(socket);
}
