/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-port: preamble, frames, and the two buffers.
 *
 * While the host is not connected, a virtio port refuses bytes and a read gives 0. The device
 * reports that the host has connected by another queue than the host's bytes, so the bytes may come
 * first.
 */
#include "net-port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define READ_MAX (64u * 1024)
#define IN_SIZE (NET_FRAME_MAX + READ_MAX)
#define OUT_SIZE (256u * 1024)
#define NAP_US 250
#define NAPS_MAX 6
#define NAP_SIZE_MIN 4096u /* bytes of frames that have arrived */
#define RETURN_TRIES 20
#define RETURN_INTERVAL_US 5000

typedef enum {
    SEARCHING, /* for net_magic, before a connection or after noise */
    NONCE,
    FRAMES,
} State;

static struct {
    Source stream;   /* fd -1: no host is connected to the listener */
    Source listener; /* fd -1: the stream is a virtio port */
    const NetPortHandlers *handlers;
    State state;
    bool is_up, was_closed;
    bool readable; /* an event came, and no read has returned EAGAIN since */
    uint8_t *in, *out;
    size_t in_used;
    size_t out_begin, out_end;
} port = {.stream.fd = -1, .listener.fd = -1};

/* --- the host comes and goes --- */

static void
set_up(bool is_up)
{
    bool was_up = port.is_up;

    port.is_up = is_up;
    port.out_begin = port.out_end = 0;
    if (is_up != was_up)
        port.handlers->up(is_up);
    if (was_up)
        port.handlers->lost();
}

static void
on_stream_ready(Source *source, uint32_t events)
{
    port.readable = true;
    if (events & EPOLLOUT)
        net_port_flush();
}

static void
accept_host(void)
{
    int fd = accept4(port.listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        source_open(&port.stream, fd, EPOLLIN | EPOLLOUT, on_stream_ready);
}

static void
on_listener_ready(Source *source, uint32_t events)
{
    if (port.stream.fd < 0)
        accept_host();
}

/* Bytes of a virtio port that come later continue the frame that was cut off; the pad of the next
 * preamble completes it. */
static void
hang_up(void)
{
    port.readable = false;
    port.was_closed = true;
    set_up(false);
    if (port.listener.fd < 0)
        return;
    source_close(&port.stream);
    port.in_used = 0;
    port.state = SEARCHING;
    accept_host();
}

/* Whether the host is connected after all: its preamble has come, but the report only comes now. */
static bool
host_returns(void)
{
    struct pollfd state = {.fd = port.stream.fd};

    if (!port.is_up || port.listener.fd >= 0)
        return false;
    for (int i = 0; i < RETURN_TRIES; i++) {
        if (poll(&state, 1, 0) == 0) /* no POLLHUP */
            return true;
        usleep(RETURN_INTERVAL_US);
    }
    return false;
}

static bool
is_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

int
net_port_open(int fd, const NetPortHandlers *handlers)
{
    port.in = calloc(1, IN_SIZE);
    port.out = calloc(1, OUT_SIZE);
    if (!port.in || !port.out)
        return -ENOMEM;
    port.handlers = handlers;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    if (is_listener(fd))
        return source_open(&port.listener, fd, EPOLLIN, on_listener_ready);
    return source_open(&port.stream, fd, EPOLLIN | EPOLLOUT, on_stream_ready);
}

bool
net_port_is_up(void)
{
    return port.is_up;
}

bool
net_port_was_closed(void)
{
    return port.was_closed;
}

/* --- out --- */

/* Bytes that wait are moved to the beginning if they are less than half of the buffer. */
static size_t
out_room(void)
{
    if (port.out_begin >= OUT_SIZE / 2) {
        memmove(port.out, port.out + port.out_begin, net_port_waiting());
        port.out_end -= port.out_begin;
        port.out_begin = 0;
    }
    return OUT_SIZE - port.out_end;
}

bool
net_port_has_room(void)
{
    return out_room() >= NET_FRAME_MAX + NET_PORT_RESERVE;
}

size_t
net_port_waiting(void)
{
    return port.out_end - port.out_begin;
}

void
net_port_flush(void)
{
    while (net_port_waiting() > 0) {
        ssize_t n = write(port.stream.fd, port.out + port.out_begin, net_port_waiting());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* a read reports it if the host is gone */
        port.out_begin += (size_t)n;
    }
    port.out_begin = port.out_end = 0;
}

uint8_t *
net_port_frame(void)
{
    return port.out + port.out_end;
}

void
net_port_frame_done(size_t size)
{
    if (port.is_up)
        port.out_end += size;
}

/* --- in: each function consumes bytes from the start of `data` and returns how many; 0: it needs
 * more --- */

static size_t
take_noise(const uint8_t *data, size_t size)
{
    size_t keep = 0;
    ptrdiff_t at = wire_find(data, size, net_magic, WIRE_MAGIC_SIZE, &keep);
    if (at < 0)
        return size - keep;
    port.state = NONCE;
    return (size_t)at + WIRE_MAGIC_SIZE;
}

static void
introduce(const uint8_t *nonce)
{
    memcpy(net_port_frame(), net_magic, WIRE_MAGIC_SIZE);
    memcpy(net_port_frame() + WIRE_MAGIC_SIZE, nonce, WIRE_NONCE_SIZE);
    net_port_frame_done(WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE);
    net_port_frame_done(net_number_put(net_port_frame(), 0, NET_HELLO, NET_VERSION));
}

static size_t
take_nonce(const uint8_t *data, size_t size)
{
    if (size < WIRE_NONCE_SIZE)
        return 0;
    port.state = FRAMES;
    port.was_closed = false;
    set_up(true);
    introduce(data);
    return WIRE_NONCE_SIZE;
}

/* All of a frame without its end mark is skipped, as condemned_size() of host-port.c explains. */
static size_t
skipped_size(const uint8_t *data, size_t size)
{
    uint32_t length = data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
    size_t whole = WIRE_HEADER_SIZE + (size_t)length + 1;

    return length <= NET_PAYLOAD_MAX && whole <= size && data[whole - 1] != WIRE_END ? whole : 1;
}

static size_t
take_frame(const uint8_t *data, size_t size)
{
    WireHeader header;
    const uint8_t *payload;
    size_t whole = 0;

    int r = net_frame_get(data, size, &header, &payload, &whole);
    if (r == 0)
        return 0;
    if (r < 0)
        whole = skipped_size(data, size);
    else if (port.is_up)
        r = port.handlers->frame(&header, payload);
    if (r < 0) {
        port.state = SEARCHING;
        set_up(false);
    }
    return whole;
}

static size_t (*const take[])(const uint8_t *data, size_t size) = {
    [SEARCHING] = take_noise,
    [NONCE] = take_nonce,
    [FRAMES] = take_frame,
};

static void
parse(void)
{
    size_t at = 0, taken = 1;

    while (taken > 0 && at < port.in_used) {
        taken = take[port.state](port.in + at, port.in_used - at);
        at += taken;
    }
    port.in_used -= at;
    if (at > 0)
        memmove(port.in, port.in + at, port.in_used);
}

bool
net_port_has_input(void)
{
    return port.readable;
}

/*
 * A virtio port returns at most a page in one read, and the pages of a frame may come one by one.
 * To wait a moment for the rest of a frame costs less than to wake up and to look for other work
 * after each page. With an emulated processor, this doubles the rate.
 */
static bool
is_in_large_frame(void)
{
    return port.state == FRAMES && port.in_used >= NAP_SIZE_MIN;
}

static ssize_t
fill(void)
{
    size_t before = port.in_used;
    int naps = 0;
    ssize_t n = 0;

    while (port.in_used - before < READ_MAX && port.in_used < IN_SIZE) {
        n = read(port.stream.fd, port.in + port.in_used, IN_SIZE - port.in_used);
        if (n < 0 && errno == EAGAIN && is_in_large_frame() && naps++ < NAPS_MAX) {
            usleep(NAP_US);
            continue;
        }
        if (n <= 0)
            return n;
        port.in_used += (size_t)n;
    }
    return n;
}

void
net_port_read(void)
{
    ssize_t n = fill();
    int error = errno;

    parse();
    if (n < 0 && error == EAGAIN)
        port.readable = false;
    else if ((n == 0 && !host_returns()) || (n < 0 && error != EINTR))
        hang_up();
}
