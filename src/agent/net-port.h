/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-port: the byte stream to the host's end of the network, as frames of net.h.
 *
 * Like host-port.h, it finds the preamble of a new connection in any state, passes on complete
 * frames only, and bounds the bytes that wait to be sent. A sender must check for room first.
 */
#pragma once

#include "net.h"

/* A virtio port accepts at most 32 KiB in one call: this is the payload of a frame that fits. */
#define NET_PORT_DATA_MAX (NET_PAYLOAD_MAX - WIRE_HEADER_SIZE - 1u)
/* The room for small frames that are sent without a check. */
#define NET_PORT_RESERVE (2u * NET_STREAMS_MAX * 32u)

typedef struct {
    /* The host has introduced itself, or has gone. Called when this changes, and before lost(). */
    void (*up)(bool is_up);
    /* The host has gone, or replaces its connection by a new one: no stream exists any more. */
    void (*lost)(void);
    /* A complete frame. A negative result means that the host breaks the protocol: it is gone until
     * it connects again. */
    int (*frame)(const WireHeader *header, const uint8_t *payload);
} NetPortHandlers;

/*
 * Takes ownership of `fd`: a virtio port, or a listening socket. With a socket, the host is there
 * while a connection is, one at a time; tests use it. 0 or -errno.
 */
int net_port_open(int fd, const NetPortHandlers *handlers);
/* Whether a host is connected and has introduced itself. */
bool net_port_is_up(void);
/* Whether the host has closed its end, and has not introduced itself since. */
bool net_port_was_closed(void);

bool net_port_has_input(void);
/* Reads what there is, up to a bound, and handles all complete frames. */
void net_port_read(void);

/* Whether a stream may send a frame of any size now. */
bool net_port_has_room(void);
/* The number of bytes that wait to be sent. */
size_t net_port_waiting(void);
/* Sends as many bytes as the port accepts now. */
void net_port_flush(void);

/* The memory for the next frame. */
uint8_t *net_port_frame(void);
/* Sends the frame of `size` bytes that was built there; nothing if the host is not there. */
void net_port_frame_done(size_t size);
