/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-connections: one struct for each connection, in a table of fixed size. */
#include "net-connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "net-names.h"
#include "net-port.h"
#include "net-resolver.h"
#include "net-streams.h"

#define SIZE_MIN 4096u
#define TURNS 16 /* before the loop looks for events again */
#define DNS_PORT 53
/* The kernel's own default grows to 4 MiB for each connection whose program does not read. */
#define SEND_BUFFER (64 * 1024)

/* From the program to the host. */
typedef struct {
    bool readable; /* an event came, and no read has returned EAGAIN since */
    bool eof;      /* was sent */
    uint32_t credit;
} ToHost;

/* From the host to the program. */
typedef struct {
    uint8_t *data; /* bytes that wait */
    size_t begin, end, size;
    uint32_t held; /* bytes of the host's window that were not returned yet */
    uint32_t owed; /* the part of these that was passed on */
    bool eof;      /* was received */
} ToProgram;

typedef struct Connection Connection;
struct Connection {
    NetStream stream;
    Source source; /* fd -1: the connection is not in use, or its RESET is still to be sent */
    int name;      /* index in net-names, or -1 */
    ToHost to_host;
    ToProgram to_program;
    int error; /* to send in RESET, 0: none */
    bool is_used, is_queued;
    Connection *next_queued;
};

static Connection connections[NET_STREAMS_MAX];
static Connection *queue_first, *queue_last;
static Source listener = {.fd = -1};
static bool may_accept;
static size_t waiting; /* bytes of all buffers */

/* --- the queue of those that may have work --- */

static void
enqueue(Connection *c)
{
    if (c->is_queued)
        return;
    c->is_queued = true;
    c->next_queued = NULL;
    if (queue_last)
        queue_last->next_queued = c;
    else
        queue_first = c;
    queue_last = c;
}

static void
dequeue(Connection *c)
{
    Connection *before = NULL, *at = queue_first;

    if (!c->is_queued)
        return;
    for (; at != c; at = at->next_queued)
        before = at;
    if (before)
        before->next_queued = c->next_queued;
    else
        queue_first = c->next_queued;
    if (queue_last == c)
        queue_last = before;
    c->is_queued = false;
}

/* --- the end of a connection --- */

/*
 * Whether the close of the socket resets the connection, so that the program gets ECONNRESET
 * instead of an end. This is so until both directions have ended, because the kernel closes the
 * socket if the child dies.
 */
static void
set_aborting(int fd, bool is_aborting)
{
    const struct linger linger = {.l_onoff = is_aborting, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void
refuse(int fd)
{
    set_aborting(fd, true);
    close(fd);
}

static void
release_buffer(ToProgram *to)
{
    free(to->data);
    waiting -= to->size;
    to->data = NULL;
    to->begin = to->end = to->size = 0;
}

static void
finish(Connection *c)
{
    source_close(&c->source);
    if (c->name >= 0)
        net_names_release(c->name);
    release_buffer(&c->to_program);
    net_streams_remove(&c->stream);
    dequeue(c);
    c->is_used = false;
}

/* The program's end is reset now, the host's in the connection's turn. */
static void
reset(Connection *c, int error)
{
    if (c->error)
        return;
    source_close(&c->source);
    release_buffer(&c->to_program);
    c->error = error;
    enqueue(c);
}

/* Both directions have ended. The host knows, but the program may have to read the rest. */
static void
finish_if_done(Connection *c)
{
    if (!c->to_host.eof || !c->to_program.eof)
        return;
    net_streams_remove(&c->stream);
    if (c->to_program.data)
        return;
    set_aborting(c->source.fd, false);
    finish(c);
}

/* --- from the host to the program --- */

static size_t
write_some(Connection *c, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(c->source.fd, data + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            return done;
        else if (errno != EINTR) {
            reset(c, ECONNRESET);
            return size;
        }
    }
    return size;
}

/* Makes room for `size` more bytes at the end. */
static int
make_room(ToProgram *to, size_t size)
{
    if (to->begin > 0) {
        memmove(to->data, to->data + to->begin, to->end - to->begin);
        to->end -= to->begin;
        to->begin = 0;
    }
    size_t wanted = to->size ? to->size : SIZE_MIN;
    while (wanted < to->end + size)
        wanted *= 2;
    if (wanted == to->size)
        return 0;
    if (waiting - to->size + wanted > NET_WAITING_MAX)
        return -ENOBUFS;

    uint8_t *data = realloc(to->data, wanted);
    if (!data)
        return -ENOBUFS;
    waiting += wanted - to->size;
    to->data = data;
    to->size = wanted;
    return 0;
}

static int
on_data(Connection *c, const uint8_t *data, size_t size)
{
    ToProgram *to = &c->to_program;

    if (size == 0 || to->eof || size > NET_WINDOW - to->held)
        return -EPROTO;
    to->held += (uint32_t)size;
    if (c->error)
        return 0;
    size_t done = to->data ? 0 : write_some(c, data, size);
    to->owed += (uint32_t)done;
    enqueue(c);
    if (done == size)
        return 0;
    if (make_room(to, size - done) < 0) {
        reset(c, ENOBUFS);
        return 0;
    }
    memcpy(to->data + to->end, data + done, size - done);
    to->end += size - done;
    return 0;
}

/* Passes on what waits, and then the end. */
static void
drain(Connection *c)
{
    ToProgram *to = &c->to_program;

    if (to->data) {
        size_t done = write_some(c, to->data + to->begin, to->end - to->begin);
        if (c->error)
            return;
        to->begin += done;
        to->owed += (uint32_t)done;
        if (to->begin < to->end)
            return;
        release_buffer(to);
    }
    if (to->eof) {
        shutdown(c->source.fd, SHUT_WR);
        finish_if_done(c);
    }
}

static int
on_eof(Connection *c, size_t size)
{
    if (size > 0 || c->to_program.eof)
        return -EPROTO;
    c->to_program.eof = true;
    if (!c->error)
        drain(c);
    if (c->is_used)
        finish_if_done(c);
    return 0;
}

static int
on_credit(Connection *c, const uint8_t *payload, size_t size)
{
    uint32_t bytes = 0;

    if (net_number_get(payload, size, &bytes) < 0 || bytes == 0 ||
        bytes > NET_WINDOW - c->to_host.credit)
        return -EPROTO;
    c->to_host.credit += bytes;
    enqueue(c);
    return 0;
}

static int
on_reset(Connection *c, const uint8_t *payload, size_t size)
{
    uint32_t error = 0;

    if (net_number_get(payload, size, &error) < 0)
        return -EPROTO;
    reset(c, ECONNRESET);
    finish(c);
    return 0;
}

static int
on_frame(NetStream *stream, const WireHeader *header, const uint8_t *payload)
{
    Connection *c = CONTAINER_OF(stream, Connection, stream);

    switch (header->type) {
    case NET_DATA:
        return on_data(c, payload, header->length);
    case NET_EOF:
        return on_eof(c, header->length);
    case NET_CREDIT:
        return on_credit(c, payload, header->length);
    case NET_RESET:
        return on_reset(c, payload, header->length);
    default:
        return -EPROTO;
    }
}

static void
on_lost(NetStream *stream)
{
    Connection *c = CONTAINER_OF(stream, Connection, stream);

    reset(c, ECONNRESET);
    finish(c);
}

static const NetStreamKind kind = {.frame = on_frame, .lost = on_lost};

/* --- from the program to the host --- */

static void
on_program_ready(Source *source, uint32_t events)
{
    Connection *c = CONTAINER_OF(source, Connection, source);

    if (events & EPOLLERR) {
        reset(c, ECONNRESET);
        return;
    }
    c->to_host.readable = true;
    enqueue(c);
    if (events & EPOLLOUT && c->to_program.data)
        drain(c);
}

/* Reads directly into a frame. Each of these functions returns whether it did work. */
static bool
send_data(Connection *c)
{
    ToHost *from = &c->to_host;
    uint8_t *frame = net_port_frame();
    size_t max = from->credit < NET_PORT_DATA_MAX ? from->credit : NET_PORT_DATA_MAX;

    if (!from->readable || from->eof || max == 0)
        return false;
    ssize_t n = read(c->source.fd, frame + WIRE_HEADER_SIZE, max);
    if (n > 0) {
        from->credit -= (uint32_t)n;
        net_port_frame_done(
            net_data_put(frame, c->stream.number, frame + WIRE_HEADER_SIZE, (size_t)n));
    } else if (n == 0) {
        from->eof = true;
        net_port_frame_done(net_empty_put(frame, c->stream.number, NET_EOF));
        finish_if_done(c);
    } else if (errno == EAGAIN)
        from->readable = false;
    else if (errno != EINTR)
        reset(c, ECONNRESET);
    return n > 0;
}

/* Half of a window at a time: a write to a virtio port interrupts an emulated processor until the
 * host has handled it. Four writes for each window took a tenth of the time of a download. */
static bool
send_credit(Connection *c)
{
    ToProgram *to = &c->to_program;

    if (to->owed < NET_WINDOW / 2 || to->eof)
        return false;
    net_port_frame_done(net_number_put(net_port_frame(), c->stream.number, NET_CREDIT, to->owed));
    to->held -= to->owed;
    to->owed = 0;
    return true;
}

static bool
send_reset(Connection *c)
{
    if (c->stream.number != 0)
        net_port_frame_done(
            net_number_put(net_port_frame(), c->stream.number, NET_RESET, (uint32_t)c->error));
    finish(c);
    return false;
}

static bool
connection_turn(Connection *c)
{
    if (c->error)
        return send_reset(c);
    if (c->stream.number == 0) /* only the program has to do something */
        return false;
    return send_credit(c) || send_data(c);
}

/* --- new connections --- */

static Connection *
find_unused(void)
{
    for (size_t i = 0; i < NET_STREAMS_MAX; i++)
        if (!connections[i].is_used)
            return &connections[i];
    return NULL;
}

/* Writes the host as the protocol has it. Returns the index of its name, or -1 if it has none.
 * False: the destination is the address of no name. */
static bool
describe(const struct in6_addr *address, char *ret_host, int *ret_name)
{
    uint32_t ipv4;

    *ret_name = -1;
    if (!IN6_IS_ADDR_V4MAPPED(address))
        return inet_ntop(AF_INET6, address, ret_host, NET_NAME_MAX + 1) != NULL;
    memcpy(&ipv4, address->s6_addr + 12, sizeof ipv4);
    if (!net_names_covers(ntohl(ipv4)))
        return inet_ntop(AF_INET, &ipv4, ret_host, NET_NAME_MAX + 1) != NULL;
    *ret_name = net_names_find(ntohl(ipv4));
    if (*ret_name >= 0)
        strcpy(ret_host, net_names_text(*ret_name));
    return *ret_name >= 0;
}

/* Opens the stream. On failure the caller still owns `fd`. */
static bool
open_connection(int fd, const struct sockaddr_in6 *destination)
{
    Connection *c = find_unused();
    char host[NET_NAME_MAX + 1];
    const int on = 1, send_buffer = SEND_BUFFER;
    int name;

    if (!net_port_is_up() || !c || !describe(&destination->sin6_addr, host, &name))
        return false;
    *c = (Connection){.source.fd = -1, .name = name, .to_host.credit = NET_WINDOW};
    if (!net_streams_add(&c->stream, &kind))
        return false;
    c->is_used = true;
    if (name >= 0)
        net_names_hold(name);
    set_aborting(fd, true);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    net_port_frame_done((size_t)net_request_put(net_port_frame(), c->stream.number, host,
                                                ntohs(destination->sin6_port)));
    if (source_open(&c->source, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, on_program_ready) < 0)
        reset(c, ENOBUFS);
    return true;
}

static void
take_connection(int fd)
{
    struct sockaddr_in6 destination;
    socklen_t size = sizeof destination;

    if (getsockname(fd, (struct sockaddr *)&destination, &size) < 0 || destination.sin6_port == 0)
        refuse(fd);
    else if (ntohs(destination.sin6_port) == DNS_PORT)
        net_resolver_accept(fd);
    else if (!open_connection(fd, &destination))
        refuse(fd);
}

static void
on_listener_ready(Source *source, uint32_t events)
{
    may_accept = true;
}

int
net_connections_open(int fd)
{
    return source_open(&listener, fd, EPOLLIN, on_listener_ready);
}

/* An error other than EAGAIN is that of one connection, or a lack of memory or descriptors; the
 * next event is the next try. */
static void
accept_one(void)
{
    int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        take_connection(fd);
    else
        may_accept = errno == EINTR || errno == ECONNABORTED;
}

/* --- turns --- */

bool
net_connections_have_work(void)
{
    return (queue_first || may_accept) && net_port_has_room();
}

void
net_connections_turn(void)
{
    for (int i = 0; i < TURNS && net_connections_have_work(); i++) {
        Connection *c = queue_first;

        if (may_accept)
            accept_one();
        if (!c)
            continue;
        dequeue(c);
        if (connection_turn(c))
            enqueue(c);
    }
}

void
net_connections_reset(void)
{
    for (size_t i = 0; i < NET_STREAMS_MAX; i++) {
        Connection *c = &connections[i];

        if (!c->is_used)
            continue;
        reset(c, ECONNRESET);
        send_reset(c);
    }
}
