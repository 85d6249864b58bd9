/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: brings together a runner's life (runner-process) and the requests to it
 * (request-queue).
 *
 * Any answer may make its receiver free the interpreter, so each function that answers holds a
 * reference.
 */
#include "interpreter.h"

#include "error.h"
#include "request-queue.h"

struct GuestInterpreter {
    RunnerProcess *runner;
    RequestQueue *queue;
    GPtrArray *opening; /* of GTask that wait until the runner is ready */
    guint32 count;
};

static void
finalize(gpointer data)
{
    GuestInterpreter *interpreter = data;

    runner_process_free(interpreter->runner);
    request_queue_free(interpreter->queue);
    g_ptr_array_unref(interpreter->opening);
}

static void
interpreter_unref(GuestInterpreter *interpreter)
{
    g_rc_box_release_full(interpreter, finalize);
}

typedef GuestInterpreter HeldInterpreter; /* with a reference for as long as a function runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldInterpreter, interpreter_unref)

/* --- answers --- */

static void
finish_opening(GuestInterpreter *interpreter, const GError *error)
{
    g_autoptr(GPtrArray) opening = interpreter->opening;

    interpreter->opening = g_ptr_array_new_with_free_func(g_object_unref);
    for (guint i = 0; i < opening->len; i++)
        if (error)
            g_task_return_error(opening->pdata[i], g_error_copy(error));
        else
            g_task_return_boolean(opening->pdata[i], TRUE);
}

static void
fail_all(GuestInterpreter *interpreter, const GError *error)
{
    finish_opening(interpreter, error);
    request_queue_fail_all(interpreter->queue, error);
}

/* Sends the next request, unless one is under way; starts a runner for it. */
static void
run_next(GuestInterpreter *interpreter)
{
    if (!request_queue_take_next(interpreter->queue))
        return;
    if (runner_process_life(interpreter->runner) == LIFE_READY)
        request_queue_send(interpreter->queue, runner_process_stream(interpreter->runner));
    else
        runner_process_start(interpreter->runner);
}

/* --- the runner's events --- */

static void
on_ready(gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);

    finish_opening(interpreter, /* error= */ NULL);
    run_next(interpreter);
}

/* The next request is sent before the caller of this one continues. */
static void
finish_execution(GuestInterpreter *interpreter)
{
    RunnerRequest *request = request_queue_steal_current(interpreter->queue);

    interpreter->count = runner_request_count(request);
    guest_stream_set_idle(runner_process_stream(interpreter->runner));
    run_next(interpreter);
    runner_request_finish(request, /* error= */ NULL);
}

static gboolean
on_message(RunnerMessage *message, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);
    gboolean is_done = message->type == RUNNER_DONE;

    if (!request_queue_add_message(interpreter->queue, message))
        return FALSE;
    if (is_done)
        finish_execution(interpreter);
    return TRUE;
}

static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);

    request_queue_add_output(interpreter->queue, channel, bytes, size);
}

/* Only callers that waited for this runner get the error; the next request starts another. */
static void
fail_start(GuestInterpreter *interpreter, const GError *error)
{
    RunnerRequest *request = request_queue_steal_current(interpreter->queue);

    finish_opening(interpreter, error);
    if (request)
        runner_request_finish(request, error);
    run_next(interpreter);
}

static void
lose_runner(GuestInterpreter *interpreter, const GuestExit *how, const GError *error)
{
    RunnerRequest *request = request_queue_steal_current(interpreter->queue);

    run_next(interpreter);
    if (request)
        runner_request_lose(request, how, error);
}

static void
on_ended(RunnerEnd why, const GuestExit *how, const GError *error, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);

    interpreter->count = 0;
    request_queue_forget_earlier(interpreter->queue);
    switch (why) {
    case RUNNER_END_REPLACED: /* an answer may have sent a request to the runner that was killed */
        if (request_queue_state(interpreter->queue) == QUEUE_BUSY)
            runner_request_lose(request_queue_steal_current(interpreter->queue), how, error);
        break;
    case RUNNER_END_STOPPED:
        run_next(interpreter);
        break;
    case RUNNER_END_NOT_READY:
        fail_start(interpreter, error);
        break;
    case RUNNER_END_LOST:
        lose_runner(interpreter, how, error);
        break;
    case RUNNER_END_DISCONNECTED:
        fail_all(interpreter, error);
        break;
    }
}

static const RunnerProcessEvents runner_events = {on_ready, on_message, on_output, on_ended};

/* --- the runner --- */

static void
add_opening(GuestInterpreter *interpreter, GAsyncReadyCallback callback, gpointer data)
{
    g_ptr_array_add(interpreter->opening, g_task_new(NULL, NULL, callback, data));
}

void
guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                             gpointer data)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);

    add_opening(held, callback, data);
    runner_process_attach(held->runner);
}

void
guest_interpreter_restart_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GError) error =
        g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                            "The interpreter was restarted before this execution ended");

    fail_all(held, error);
    if (request_queue_state(held->queue) == QUEUE_CLOSED) {
        g_task_report_new_error(NULL, callback, data, NULL, CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                                "The interpreter was removed");
        return;
    }
    add_opening(held, callback, data);
    runner_process_restart(held->runner);
}

gboolean
guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
guest_interpreter_adopt(GuestInterpreter *interpreter)
{
    runner_process_adopt(interpreter->runner);
}

void
guest_interpreter_stop(GuestInterpreter *interpreter, const char *why)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST, why);

    runner_process_stop(held->runner);
    fail_all(held, error);
}

void
guest_interpreter_hold(GuestInterpreter *interpreter, gboolean is_held)
{
    runner_process_hold(interpreter->runner, is_held);
}

GuestInterpreterState
guest_interpreter_state(const GuestInterpreter *interpreter)
{
    static const GuestInterpreterState states[_LIFE_MAX] = {
        [LIFE_NONE] = GUEST_INTERPRETER_NOT_STARTED,
        [LIFE_STARTING] = GUEST_INTERPRETER_STARTING,
        [LIFE_ATTACHING] = GUEST_INTERPRETER_STARTING,
        [LIFE_FINDING] = GUEST_INTERPRETER_STARTING,
        [LIFE_SYNCING] = GUEST_INTERPRETER_STARTING,
        [LIFE_READY] = GUEST_INTERPRETER_IDLE,
        [LIFE_RESTARTING] = GUEST_INTERPRETER_STARTING,
        [LIFE_STOPPING] = GUEST_INTERPRETER_NOT_STARTED,
        [LIFE_CLOSED] = GUEST_INTERPRETER_NOT_STARTED,
    };

    if (request_queue_state(interpreter->queue) == QUEUE_BUSY)
        return GUEST_INTERPRETER_BUSY;
    return states[runner_process_life(interpreter->runner)];
}

guint32
guest_interpreter_count(const GuestInterpreter *interpreter)
{
    return interpreter->count;
}

/* --- the requests --- */

/* While callers wait for the runner itself, on_ready() sends the first request. */
static void
run_added(GuestInterpreter *interpreter)
{
    if (interpreter->opening->len == 0)
        run_next(interpreter);
}

void
guest_interpreter_reseed(GuestInterpreter *interpreter, const char *const *environment)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GError) error = NULL;

    if (runner_process_life(held->runner) == LIFE_NONE)
        return;
    if (request_queue_add_reseed(held->queue, environment, &error))
        run_added(held);
    else
        g_warning("Cannot reseed a runner: %s", error->message);
}

void
guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;

    if (g_task_return_error_if_cancelled(task))
        return;
    g_task_set_check_cancellable(task, FALSE);
    if (request_queue_add_execution(held->queue, code, task, &error))
        run_added(held);
    else
        g_task_return_error(task, error);
}

GuestExecution *
guest_interpreter_execute_finish(GuestInterpreter *interpreter, GAsyncResult *result,
                                 GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

void
guest_interpreter_interrupt(GuestInterpreter *interpreter)
{
    request_queue_interrupt(interpreter->queue);
}

/* --- life --- */

GuestInterpreter *
guest_interpreter_new(GuestLink *link, const GuestRunner *runner)
{
    GuestInterpreter *interpreter = g_rc_box_new0(GuestInterpreter);

    interpreter->runner = runner_process_new(link, runner, &runner_events, interpreter);
    interpreter->queue = request_queue_new(RUNNER_SYNC_NUMBER);
    interpreter->opening = g_ptr_array_new_with_free_func(g_object_unref);
    return interpreter;
}

/* Answers all callers with `error`. */
static void
close_with(GuestInterpreter *interpreter, const GError *error)
{
    request_queue_close(interpreter->queue, error);
    finish_opening(interpreter, error);
    runner_process_close(interpreter->runner);
    interpreter_unref(interpreter);
}

void
guest_interpreter_free(GuestInterpreter *interpreter)
{
    g_autoptr(GError) error = NULL;

    if (!interpreter)
        return;
    error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "The sandbox has ended");
    close_with(interpreter, error);
}

void
guest_interpreter_remove(GuestInterpreter *interpreter, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST, why);

    runner_process_stop(interpreter->runner);
    close_with(interpreter, error);
}
