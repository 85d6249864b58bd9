/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: descriptors that the executed code shall not find, and what is written to the others. */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "napi.h"

/* For a write that SIGINT interrupts. */
extern volatile sig_atomic_t output_has_sigint;

/* The socket to the host, whose frames are always sent whole. */
void output_take_channel(int fd);
/* A duplicate that no child inherits, out of the way of code that counts descriptors. */
int move_high(int fd);
/* native.c's: asks V8 to end the execution; 0: there is none. */
uint32_t end_execution(void);

napi_value move_high_js(napi_env env, napi_info info);
napi_value write_js(napi_env env, napi_info info);
napi_value put_back_js(napi_env env, napi_info info);
