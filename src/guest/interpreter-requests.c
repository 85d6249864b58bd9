/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interpreter-requests: what an interpreter is asked for: one is under way, and others wait. */
#include "error.h"
#include "interpreter-private.h"
#include "util.h"

#define ENTROPY_SIZE 64

void
interpreter_forget_earlier(GuestInterpreter *interpreter)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        g_byte_array_set_size(interpreter->earlier[channel], 0);
}

/* A reseed is no execution: what was written before it was written before the one behind it. */
static void
send_job(GuestInterpreter *interpreter)
{
    Job *job = interpreter->job;

    if (job->task) {
        job_give_earlier(job, interpreter->earlier);
        interpreter_forget_earlier(interpreter);
    }
    job_send(job, interpreter->stream);
}

void
interpreter_run_next(GuestInterpreter *interpreter)
{
    if (interpreter->is_gone)
        return;
    if (!interpreter->job)
        interpreter->job = g_queue_pop_head(&interpreter->waiting);
    if (!interpreter->job || interpreter->job->stream)
        return;
    if (interpreter->is_ready)
        send_job(interpreter);
    else if (!interpreter->stream)
        interpreter_start(interpreter);
}

static void
add_job(GuestInterpreter *interpreter, Job *job)
{
    g_queue_push_tail(&interpreter->waiting, job);
    if (!interpreter->job && interpreter->opening->len == 0)
        interpreter_run_next(interpreter);
}

void
guest_interpreter_reseed(GuestInterpreter *interpreter, const char *const *environment)
{
    guint8 entropy[ENTROPY_SIZE];
    guint32 number = ++interpreter->last_number;
    g_autoptr(GError) error = NULL;
    GBytes *frame;

    if (!interpreter->stream)
        return; /* one that is started from now on shares nothing with anybody */
    util_random(entropy, sizeof(entropy));
    frame = runner_encode_reseed(number, entropy, sizeof(entropy), environment, "", &error);
    if (frame)
        add_job(interpreter, job_new(interpreter, number, frame));
    else
        g_warning("Cannot reseed a runner: %s", error->message);
}

static guint32
runner_flags(const GuestCode *code)
{
    return (code->silent ? RUNNER_SILENT : 0u) | (code->no_history ? RUNNER_NO_HISTORY : 0u) |
           (code->is_exercise ? RUNNER_EXERCISE : 0u) | (code->with_colours ? RUNNER_COLOURS : 0u) |
           (code->drains ? RUNNER_DRAIN : 0u);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    Job *job = data;
    GuestInterpreter *owner = job->owner;
    g_autoptr(GTask) task = g_object_ref(job->task);

    job_forget_caller(job);
    if (job->stream) {
        job_interrupt(job);
    } else {
        if (job == owner->job)
            owner->job = NULL; /* its runner is being started: it will not miss it */
        else
            g_queue_remove(&owner->waiting, job);
        job_free(job);
    }
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left");
}

void
guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    guint32 number = ++interpreter->last_number;
    GError *error = NULL;
    GBytes *frame;
    Job *job;

    if (g_task_return_error_if_cancelled(task))
        return;
    g_task_set_check_cancellable(task, FALSE);
    if (interpreter->waiting.length >= GUEST_EXECUTIONS_MAX) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                "%d executions wait for this interpreter already; try again",
                                GUEST_EXECUTIONS_MAX);
        return;
    }
    frame = runner_encode_execute(number, runner_flags(code), code->dialect ? code->dialect : "",
                                  code->code, code->environment, &error);
    if (!frame) {
        g_task_return_error(task, error);
        return;
    }
    job = job_new(interpreter, number, frame);
    job->timeout_ms = code->timeout_ms;
    job->hearing = code->hearing;
    job->hearing_data = code->hearing_data;
    job->task = g_steal_pointer(&task);
    if (cancellable)
        job->cancel_handler =
            g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), job);
    add_job(interpreter, job);
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
    if (interpreter->job && interpreter->job->stream)
        job_interrupt(interpreter->job);
}
