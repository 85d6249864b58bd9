/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* loop: observes node's event loop: what it has left, and the end of its turns. */
#include "loop.h"

static napi_env runner_env;
static napi_tsfn runner_handle;
static uint32_t *turn;        /* of watchTurn() */
static napi_env watching_env; /* of watchLoop() */
static bool was_alive, is_watch_over;

void
loop_take_handle(napi_env env, napi_tsfn handle)
{
    runner_env = env;
    runner_handle = handle;
}

void
loop_keep(void)
{
    if (runner_handle)
        napi_ref_threadsafe_function(runner_env, runner_handle);
}

/* Ignores the runner's handle. Called while keepAlive() is on. */
static bool
is_loop_alive(napi_env env)
{
    void *loop = NULL;
    napi_get_uv_event_loop(env, &loop);
    napi_unref_threadsafe_function(env, runner_handle);
    bool answer = uv_loop_alive(loop) != 0;
    napi_ref_threadsafe_function(env, runner_handle);
    return answer;
}

void
loop_on_microtasks_end(void)
{
    if (turn)
        *turn = 0;
    if (watching_env && !is_watch_over)
        was_alive = is_loop_alive(watching_env);
}

void
loop_end_watch(void)
{
    is_watch_over = true;
}

/* watchTurn(flag): its first number becomes 0 when all microtasks are done */
napi_value
watch_turn_js(napi_env env, napi_info info)
{
    napi_value argument;
    arguments_of(env, info, 1, &argument);
    turn = memory_of(env, argument);
    return NULL;
}

/* keepAlive(whether): node's loop continues even if only the runner needs it. */
napi_value
keep_alive_js(napi_env env, napi_info info)
{
    napi_value argument;
    bool is_kept = true;
    arguments_of(env, info, 1, &argument);
    napi_get_value_bool(env, argument, &is_kept);
    if (is_kept)
        napi_ref_threadsafe_function(env, runner_handle);
    else
        napi_unref_threadsafe_function(env, runner_handle);
    return NULL;
}

/*
 * isAlive() → whether anything but the runner keeps node's loop alive. After watchLoop(), this is
 * the state at the end of the microtasks that followed it.
 */
napi_value
is_alive_js(napi_env env, napi_info info)
{
    napi_value result;
    (void)info;
    napi_get_boolean(env, watching_env ? was_alive : is_loop_alive(env), &result);
    watching_env = NULL;
    return result;
}

/* watchLoop(): records the state for isAlive(). Called inside of guard(), in a callback of node. */
napi_value
watch_loop_js(napi_env env, napi_info info)
{
    (void)info;
    watching_env = env;
    is_watch_over = false;
    return NULL;
}
