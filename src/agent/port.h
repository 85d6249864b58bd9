/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port: the byte stream to the host, as frames.
 *
 * It finds the preamble of a new connection in whatever state it is, hands on whole frames only,
 * and bounds what waits to go out. Nobody may send without having asked for room: there is always
 * room for the answer to a frame that was handed on.
 */
#pragma once

#include "wire.h"

/* The room that a frame from the host may use for its answers. */
#define PORT_ANSWER_MAX 2048u
/* The room that a stream needs for its turn: the most that one turn sends. */
#define PORT_TURN_MAX (WIRE_HEADER_SIZE + WIRE_DATA_MAX + 1u)

typedef struct {
    /* A new connection: everything of the old one is over. What is sent first answers `nonce`. */
    void (*connected)(const uint8_t *nonce);
    /* A whole frame. Anything below 0 is a frame that must not be: it is treated as noise. */
    int (*frame)(const WireHeader *header, const uint8_t *payload);
} PortHandlers;

/*
 * Takes over `fd`. `is_socket`: the end of the stream is the end of the agent, see port_is_gone();
 * on a virtio port it means that the host is away.
 */
int port_open(int fd, bool is_socket, const PortHandlers *handlers);
bool port_is_gone(void);

/* Is there, perhaps, something to read, and room for the answers? */
bool port_has_input(void);
/* Reads once and handles the frames that are whole then. */
void port_read(void);

/* May a stream have a turn now? */
bool port_has_room(void);
/* How many bytes wait to be sent. */
size_t port_waiting(void);
/* Sends what the port takes now. */
void port_flush(void);
/* Forgets what waits: its connection is over. */
void port_forget(void);

/* Where the next frame may be built, at least PORT_ANSWER_MAX (PORT_TURN_MAX in a turn) bytes. */
uint8_t *port_frame(void);
/* Sends what was built there; an error in `size` is a fault of the caller's and sends nothing. */
void port_frame_done(ptrdiff_t size);

/* An answer without a payload. */
void port_send(uint32_t stream, WireType type, WireChannel channel);
/* WIRE_ERROR; `name` may be any length, what is too long is cut. `error` is positive. */
void port_send_error(uint32_t stream, int error, WireObject about, const char *name);
