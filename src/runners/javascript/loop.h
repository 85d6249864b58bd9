/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop: whether node's event loop has anything left but the runner, and when a turn of it is over.
 */
#pragma once

#include "napi.h"

/* What of the runner's keeps the loop going. */
void loop_take_handle(napi_env env, napi_tsfn handle);
/* Whatever keepAlive() said: news are under way. */
void loop_keep(void);
/* When V8 has no microtask left. */
void loop_on_microtasks_end(void);
/* A timer's callback is called: what watchLoop() has seen is all. */
void loop_end_watch(void);

napi_value keep_alive_js(napi_env env, napi_info info);
napi_value is_alive_js(napi_env env, napi_info info);
napi_value watch_loop_js(napi_env env, napi_info info);
napi_value watch_turn_js(napi_env env, napi_info info);
