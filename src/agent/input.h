/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * input: what the host sent to a descriptor of a process and the process has not taken yet.
 *
 * Bounded by the host's window, allocated only while something waits.
 */
#pragma once

#include "stream.h"

/* Writes, or keeps for later. -EPROTO beyond the window; -ENOMEM. */
int input_data(Channel *channel, const uint8_t *data, size_t size);
/* Closes the descriptor for writing as soon as all is written. */
void input_eof(Channel *channel);
/* Nobody takes it any more: what waits is dropped, and so is what comes. */
void input_refused(Channel *channel);
/* Writes what the descriptor takes now. */
void input_write(Channel *channel);
/* What is to be given back to the host now, 0 for nothing; it counts as given back then. */
uint32_t input_take_owed(Channel *channel);
/* Begins anew, with an empty buffer and an untouched window. */
void input_clear(Channel *channel);
