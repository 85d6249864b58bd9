/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-net: the agent's network survives any bytes from the host.
 *
 * Each input is what the host sends after its preamble. Meanwhile there are two connections of
 * programs and a lookup. Sockets of this machine take the place of the guest's: the destination is
 * 127.0.0.1 instead of any address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "net-connections.h"
#include "net-names.h"
#include "net-port.h"
#include "net-resolver.h"
#include "net-streams.h"

#define PROGRAMS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int host = -1; /* the host's end of the port */
static int udp = -1;
static struct sockaddr_in6 listening, resolving;

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
serve(void)
{
    for (int quiet = 0; quiet < 3; quiet++) {
        loop_turn(/* block= */ false);
        while (net_port_has_input())
            net_port_read();
        if (net_resolver_has_work())
            net_resolver_turn();
        while (net_connections_have_work()) {
            net_connections_turn();
            quiet = 0;
        }
        net_port_flush();
    }
}

/* Discards what the guest sends. */
static void
drain(void)
{
    static uint8_t bytes[65536];

    while (recv(host, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void
host_sends(const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(host, data, size < 16384 ? size : 16384, MSG_DONTWAIT);
        require(n > 0 || errno == EAGAIN);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
        serve();
        drain();
    }
}

static int
bind_locally(int type, struct sockaddr_in6 *ret_address)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t size = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0);

    inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr);
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    require(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    require(getsockname(fd, (struct sockaddr *)ret_address, &size) == 0);
    return fd;
}

/* The programs of this test connect to the listener itself. */
static void
on_up(bool is_up)
{
}

static void
open_once(void)
{
    static const NetPortHandlers handlers = {
        .up = on_up, .lost = net_streams_lose, .frame = net_streams_frame};
    int ends[2];

    if (host >= 0)
        return;
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    host = ends[0];
    int listener = bind_locally(SOCK_STREAM, &listening);
    require(listen(listener, 16) == 0);
    udp = bind_locally(SOCK_DGRAM, &resolving);
    require(loop_open() == 0 && net_names_open(16, NET_NAMES_FIRST, NET_NAMES_LAST) == 0);
    require(net_port_open(ends[1], &handlers) == 0 && net_connections_open(listener) == 0);
    require(net_resolver_open(udp) == 0);
}

static void
connect_host(void)
{
    static const uint8_t preamble[NET_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    static uint8_t copy[sizeof preamble];

    memcpy(copy + NET_PREAMBLE_PAD, net_magic, WIRE_MAGIC_SIZE);
    host_sends(copy, sizeof copy);
    require(net_port_is_up());
}

static int
start_program(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    require(connect(fd, (struct sockaddr *)&listening, sizeof listening) == 0);
    require(send(fd, "request", 7, 0) == 7);
    serve();
    return fd;
}

static int
ask(void)
{
    static const char query[] = "\0\7\1\0\0\1\0\0\0\0\0\0\1a\1b\0\0\1\0\1";
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);

    require(sendto(fd, query, sizeof query - 1, 0, (struct sockaddr *)&resolving,
                   sizeof resolving) == sizeof query - 1);
    serve();
    return fd;
}

/* After any bytes, the next preamble is recognized. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct linger at_once = {.l_onoff = 1};
    int programs[PROGRAMS];

    open_once();
    connect_host();
    int asker = ask(); /* stream 1 */
    for (int i = 0; i < PROGRAMS; i++)
        programs[i] = start_program();
    host_sends(data, size);
    for (int i = 0; i < PROGRAMS; i++) {
        /* Otherwise, the ports of this machine would soon be used up. */
        setsockopt(programs[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(programs[i]);
    }
    close(asker);
    serve();
    connect_host();
    return 0;
}
