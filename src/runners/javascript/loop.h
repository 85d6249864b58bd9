/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop: whether node's event loop has anything left but the runner, and when a turn of it is over.
 */
#pragma once

#include "napi.h"

/* Takes the runner's handle, which keeps the loop alive. */
void loop_take_handle(napi_env env, napi_tsfn handle);
/* Keeps the loop alive regardless of keepAlive(), because news are on their way. */
void loop_keep(void);
/* Called when V8 has no microtask left. */
void loop_on_microtasks_end(void);
/* Called before the callback of a timer, which ends the observation of watchLoop(). */
void loop_end_watch(void);

napi_value keep_alive_js(napi_env env, napi_info info);
napi_value is_alive_js(napi_env env, napi_info info);
napi_value watch_loop_js(napi_env env, napi_info info);
napi_value watch_turn_js(napi_env env, napi_info info);
