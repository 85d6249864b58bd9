/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-input: the bytes that the host sent to a descriptor of a process and that the process has
 * not read yet.
 *
 * The host's window bounds the buffer. It is allocated only while bytes wait.
 */
#pragma once

#include "stream.h"

/* Writes the bytes, or keeps them for later. 0, -EPROTO beyond the window, or -ENOMEM. */
int input_data(StreamChannel *channel, const uint8_t *data, size_t size);
/* Closes the descriptor for writing as soon as all bytes are written. */
void input_eof(StreamChannel *channel);
/* The process does not read any more: drops the bytes that wait, and all later ones. */
void input_refused(StreamChannel *channel);
/* Writes as many bytes as the descriptor accepts now. */
void input_write(StreamChannel *channel);
/* The number of bytes of the window to return to the host now, or 0. The caller returns them. */
uint32_t input_take_owed(StreamChannel *channel);
/* Resets to an empty buffer and a full window. */
void input_clear(StreamChannel *channel);
