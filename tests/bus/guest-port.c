/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-port: an agent's end of the channel, for agents that tests make. */
#include "guest-port.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FD 3
#define BUFFER_SIZE (2u * WIRE_FRAME_MAX)

static uint8_t in[BUFFER_SIZE];
static size_t in_size;
static size_t taken; /* the size of the frame that was returned last */

/* --- sending --- */

void
port_send_bytes(const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t n = write(FD, bytes, size);
        if (n <= 0)
            exit(EXIT_FAILURE); /* the host has closed the connection */
        bytes += n;
        size -= (size_t)n;
    }
}

void
port_send_frame(uint32_t stream, unsigned type, unsigned channel, const void *payload, size_t size)
{
    uint8_t header[WIRE_HEADER_SIZE];
    const uint8_t end = WIRE_END;

    wire_header_put(header, &(WireHeader){(uint32_t)size, stream, (uint8_t)type, (uint8_t)channel});
    port_send_bytes(header, sizeof header);
    port_send_bytes(payload, size);
    port_send_bytes(&end, 1);
}

void
port_send_numbers(uint32_t stream, unsigned type, unsigned channel, const uint32_t *numbers,
                  size_t count)
{
    port_send_frame(stream, type, channel, numbers, count * sizeof *numbers);
}

void
port_send_hello(uint32_t version, const char *sandbox_id)
{
    uint8_t frame[128];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_u32(&w, version);
    wire_put_string(&w, sandbox_id);
    wire_put_string(&w, "hostile");
    port_send_bytes(frame, (size_t)wire_frame_end(&w, 0, WIRE_HELLO, WIRE_STDIN));
}

/* --- receiving --- */

static void
drop(size_t size)
{
    in_size -= size;
    memmove(in, in + size, in_size);
}

static void
read_more(void)
{
    ssize_t n = read(FD, in + in_size, sizeof in - in_size);

    if (n <= 0)
        exit(EXIT_FAILURE);
    in_size += (size_t)n;
}

void
port_find_preamble(uint8_t ret_greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE])
{
    size_t keep;
    ptrdiff_t at;

    drop(taken);
    taken = 0;
    while ((at = wire_find(in, in_size, wire_magic, WIRE_MAGIC_SIZE, &keep)) < 0) {
        drop(in_size - keep);
        read_more();
    }
    drop((size_t)at);
    while (in_size < WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE)
        read_more();
    memcpy(ret_greeting, in, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE);
    drop(WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE);
}

int
port_next(int timeout_ms, WireHeader *ret_header, const uint8_t **ret_payload)
{
    struct pollfd poll_fd = {.fd = FD, .events = POLLIN};
    int r;

    drop(taken);
    taken = 0;
    while ((r = wire_frame_get(in, in_size, ret_header, ret_payload, &taken)) == 0) {
        if (poll(&poll_fd, 1, timeout_ms) == 0)
            return 0;
        read_more();
    }
    return r < 0 ? -1 : 1;
}
