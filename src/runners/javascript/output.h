/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: moves descriptors out of the way of executed code, and writes to the others in order. */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "napi.h"

/* Set by the handler of SIGINT, for writes that it interrupts. */
extern volatile sig_atomic_t output_has_sigint;

/*
 * channel: the socket to the host, whose frames are always sent completely. end_execution: called
 * when SIGINT interrupts a write to another descriptor; false: no execution is in progress.
 */
void output_open(int channel, bool (*end_execution)(void));
/* A duplicate that no child inherits, out of the way of code that counts descriptors. */
int move_high(int fd);

napi_value move_high_js(napi_env env, napi_info info);
napi_value write_js(napi_env env, napi_info info);
napi_value put_back_js(napi_env env, napi_info info);
