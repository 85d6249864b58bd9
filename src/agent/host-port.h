/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-port: the byte stream to the host, as frames.
 *
 * It finds the preamble of a new connection in any state, passes on complete frames only, and
 * bounds the bytes that wait to be sent. A sender must check for room first. There is always room
 * for the answer to a frame that was passed on.
 */
#pragma once

#include "wire.h"

/* The room that a frame from the host may use for its answers. */
#define PORT_ANSWER_MAX 2048u
/* The room that a stream needs for its turn: the maximum that one turn sends. */
#define PORT_TURN_MAX (WIRE_HEADER_SIZE + WIRE_DATA_MAX + 1u)

typedef struct {
    /* A new connection has replaced the old one. The first bytes sent must answer `nonce`. */
    void (*connected)(const uint8_t *nonce);
    /* A complete frame. A negative result means that the frame is invalid; it is treated as noise.
     */
    int (*frame)(const WireHeader *header, const uint8_t *payload);
} PortHandlers;

/*
 * Takes ownership of `fd`. `is_socket`: the agent ends at the end of the stream, see
 * port_is_gone(); on a virtio port the end means that the host is not connected.
 */
int port_open(int fd, bool is_socket, const PortHandlers *handlers);
bool port_is_gone(void);

/* Whether there may be bytes to read, and there is room for the answers. */
bool port_has_input(void);
/* Reads once and handles all complete frames. */
void port_read(void);

/* Whether a stream may have a turn now. */
bool port_has_room(void);
/* The number of bytes that wait to be sent. */
size_t port_waiting(void);
/* Sends as many bytes as the port accepts now. */
void port_flush(void);
/* Drops the bytes that wait, because their connection has ended. */
void port_forget(void);

/* The memory for the next frame: at least PORT_ANSWER_MAX bytes, in a turn PORT_TURN_MAX. */
uint8_t *port_frame(void);
/* Sends the frame that was built there. A negative `size` is an error of the caller; nothing is
 * sent. */
void port_frame_done(ptrdiff_t size);

/* An answer without a payload. */
void port_send(uint32_t stream, WireType type, WireChannel channel);
/* Sends WIRE_ERROR. A `name` that is too long is truncated. `error` is positive. */
void port_send_error(uint32_t stream, int error, WireObject about, const char *name);
