/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-port: preamble, frames, and the two buffers.
 *
 * Both buffers are static, so they are locked in memory before other processes can exhaust it.
 */
#include "host-port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"

#define READ_SIZE (64u * 1024)
#define IN_SIZE (WIRE_FRAME_MAX + READ_SIZE)
#define OUT_SIZE (512u * 1024)
#define NAME_MAX_SENT 256u

typedef enum {
    SEARCHING, /* for WIRE_MAGIC, before a connection or after noise */
    NONCE,
    CONNECTED,
} State;

static struct {
    Source source;
    bool is_socket;
    bool is_gone;
    bool readable; /* an event came, and no read has returned EAGAIN since */
    bool unparsed; /* `in` may contain complete frames that wait for room for their answers */
    const PortHandlers *handlers;
    State state;
    uint8_t in[IN_SIZE];
    size_t in_used;
    uint8_t out[OUT_SIZE];
    size_t out_begin, out_end;
} port;

static void
on_port_ready(Source *source, uint32_t events)
{
    port.readable = true;
    if (events & EPOLLOUT)
        port_flush();
}

int
port_open(int fd, bool is_socket, const PortHandlers *handlers)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    port.is_socket = is_socket;
    port.handlers = handlers;
    return source_open(&port.source, fd, EPOLLIN | EPOLLOUT, on_port_ready);
}

bool
port_is_gone(void)
{
    return port.is_gone;
}

/* --- out --- */

/* The room at the end of the buffer. Bytes that wait are moved to the beginning if they are less
 * than half of the buffer. */
static size_t
out_room(void)
{
    if (port.out_begin >= OUT_SIZE / 2) {
        memmove(port.out, port.out + port.out_begin, port_waiting());
        port.out_end -= port.out_begin;
        port.out_begin = 0;
    }
    return OUT_SIZE - port.out_end;
}

/* Room for three answers, because a QUIESCE and a FREEZE may be answered between two frames. */
static bool
answers_have_room(void)
{
    return out_room() >= 3 * PORT_ANSWER_MAX;
}

bool
port_has_room(void)
{
    /* A turn leaves room for answers. */
    return out_room() >= PORT_TURN_MAX + 32 * PORT_ANSWER_MAX;
}

size_t
port_waiting(void)
{
    return port.out_end - port.out_begin;
}

void
port_flush(void)
{
    while (port_waiting() > 0) {
        ssize_t n = write(port.source.fd, port.out + port.out_begin, port_waiting());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE && port.is_socket)
            port.is_gone = true;
        if (n <= 0)
            return;
        port.out_begin += (size_t)n;
    }
    port_forget();
}

void
port_forget(void)
{
    port.out_begin = port.out_end = 0;
}

uint8_t *
port_frame(void)
{
    return port.out + port.out_end;
}

void
port_frame_done(ptrdiff_t size)
{
    if (size > 0)
        port.out_end += (size_t)size;
}

void
port_send(uint32_t stream, WireType type, WireChannel channel)
{
    WireWriter w;
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    port_frame_done(wire_frame_end(&w, stream, type, channel));
}

void
port_send_error(uint32_t stream, int error, WireObject about, const char *name)
{
    char cut[NAME_MAX_SENT + 1];
    snprintf(cut, sizeof cut, "%s", name);

    WireWriter w;
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    wire_put_u32(&w, (uint32_t)error);
    wire_put_u32(&w, about);
    wire_put_string(&w, cut);
    wire_put_string(&w, strerror(error));
    port_frame_done(wire_frame_end(&w, stream, WIRE_ERROR, 0));
}

/* --- in --- */

/*
 * The number of bytes of an invalid frame that cannot be a preamble. If the host died in the middle
 * of a frame, the pad of the next preamble completes its length, but the end mark is missing. All
 * of such a frame is skipped, so that a user's bytes in it are not mistaken for a preamble.
 */
static size_t
condemned_size(const uint8_t *data, size_t size)
{
    uint32_t length = data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
    size_t whole = WIRE_HEADER_SIZE + (size_t)length + 1;
    return length <= WIRE_PAYLOAD_MAX && whole <= size && data[whole - 1] != WIRE_END ? whole : 1;
}

/* Each function consumes bytes from the start of `data` and returns how many; 0: it needs more. */

static size_t
take_noise(const uint8_t *data, size_t size)
{
    size_t keep = 0;
    ptrdiff_t at = wire_find(data, size, wire_magic, WIRE_MAGIC_SIZE, &keep);
    if (at < 0)
        return size - keep;
    port.state = NONCE;
    return (size_t)at + WIRE_MAGIC_SIZE;
}

static size_t
take_nonce(const uint8_t *data, size_t size)
{
    if (size < WIRE_NONCE_SIZE)
        return 0;
    port.state = CONNECTED;
    port_forget();
    port.handlers->connected(data);
    return WIRE_NONCE_SIZE;
}

static size_t
take_frame(const uint8_t *data, size_t size)
{
    WireHeader header;
    const uint8_t *payload;
    size_t whole = 0;

    int r = wire_frame_get(data, size, &header, &payload, &whole);
    if (r == 0)
        return 0;
    if (r < 0)
        whole = condemned_size(data, size);
    else
        r = port.handlers->frame(&header, payload);
    if (r < 0)
        port.state = SEARCHING;
    return whole;
}

static size_t (*const take[])(const uint8_t *data, size_t size) = {
    [SEARCHING] = take_noise,
    [NONCE] = take_nonce,
    [CONNECTED] = take_frame,
};

static void
parse(void)
{
    size_t at = 0, taken = 1;

    while (taken > 0 && at < port.in_used && answers_have_room()) {
        taken = take[port.state](port.in + at, port.in_used - at);
        at += taken;
    }
    port.unparsed = taken > 0 && at < port.in_used;
    port.in_used -= at;
    if (at > 0)
        memmove(port.in, port.in + at, port.in_used);
}

bool
port_has_input(void)
{
    return (port.readable || port.unparsed) && answers_have_room();
}

void
port_read(void)
{
    if (!port.unparsed) {
        ssize_t n = read(port.source.fd, port.in + port.in_used, READ_SIZE);
        if (n <= 0) {
            if (n < 0 && errno == EINTR)
                return;
            port.readable = false;
            if (port.is_socket && (n == 0 || errno != EAGAIN))
                port.is_gone = true;
            return;
        }
        port.in_used += (size_t)n;
    }
    parse();
}
