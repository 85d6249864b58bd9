/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-port: an agent's end of the channel, for agents that tests make. */
#pragma once

#include "wire.h"

/* Each ends the program when the host has closed the connection. */
void port_send_bytes(const void *data, size_t size);
void port_send_frame(uint32_t stream, unsigned type, unsigned channel, const void *payload,
                     size_t size);
void port_send_numbers(uint32_t stream, unsigned type, unsigned channel, const uint32_t *numbers,
                       size_t count);
void port_send_hello(uint32_t version, const char *sandbox_id);

/* Waits for a preamble, and returns magic and nonce. */
void port_find_preamble(uint8_t ret_greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE]);
/* Waits for the next frame, which is valid until the next call: 1; 0 after `timeout_ms` (-1:
 * never); -1 when something else has arrived: the preamble of the next instance of the service. */
int port_next(int timeout_ms, WireHeader *ret_header, const uint8_t **ret_payload);
