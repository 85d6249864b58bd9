/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job: one request to a runner, from who asks to the answer. */
#include "job.h"

#include <signal.h>

#include "error.h"
#include "util.h"

Job *
job_new(GuestInterpreter *owner, guint32 number, GBytes *frame)
{
    Job *job = g_new0(Job, 1);

    job->owner = owner;
    job->number = number;
    job->frame = frame;
    job->execution = guest_execution_new();
    return job;
}

static gboolean
is_heard(const Job *job)
{
    return job->task && job->hearing;
}

void
job_forget_caller(Job *job)
{
    if (is_heard(job))
        job->hearing->over(job->hearing_data);
    if (job->cancel_handler != 0)
        g_signal_handler_disconnect(g_task_get_cancellable(job->task), job->cancel_handler);
    job->cancel_handler = 0;
    g_clear_object(&job->task);
}

void
job_free(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    job_forget_caller(job);
    g_bytes_unref(job->frame);
    guest_execution_free(job->execution);
    g_free(job);
}

/* --- interrupts --- */

/*
 * One interrupt may be lost: code may catch it, and Python throws away what is raised while an
 * object is destroyed, as a file that is closed by that.
 */
gboolean
job_insist(GuestStream *stream, guint *interrupts)
{
    if (++*interrupts < GUEST_GRACE_S / JOB_INTERRUPT_EVERY_S) {
        guest_stream_signal(stream, SIGINT);
        return TRUE;
    }
    guest_stream_kill(stream);
    return FALSE;
}

static gboolean
on_not_interrupted(gpointer data)
{
    Job *job = data;

    if (job_insist(job->stream, &job->interrupts))
        return G_SOURCE_CONTINUE;
    job->timer = 0;
    return G_SOURCE_REMOVE;
}

void
job_interrupt(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    job->interrupts = 0;
    guest_stream_signal(job->stream, SIGINT);
    job->timer = g_timeout_add_seconds(JOB_INTERRUPT_EVERY_S, on_not_interrupted, job);
}

static gboolean
on_timeout(gpointer data)
{
    Job *job = data;

    job->timer = 0;
    job->timed_out = TRUE;
    job_interrupt(job);
    return G_SOURCE_REMOVE;
}

void
job_send(Job *job, GuestStream *stream)
{
    job->stream = stream;
    job->started_us = util_boottime_us();
    if (job->timeout_ms > 0)
        job->timer = g_timeout_add((guint)MIN(job->timeout_ms, G_MAXUINT), on_timeout, job);
    guest_stream_write(stream, WIRE_CONTROL, g_bytes_get_data(job->frame, NULL),
                       g_bytes_get_size(job->frame));
}

/* --- what it gives --- */

void
job_add_output(Job *job, WireChannel channel, const guint8 *bytes, gsize size)
{
    GuestExecution *execution = job->execution;

    if (is_heard(job))
        job->hearing->output(channel, bytes, size, job->hearing_data);
    else if (!job->hearing)
        guest_output_add(channel == WIRE_STDERR ? &execution->err : &execution->out, bytes, size);
}

void
job_add_message(Job *job, RunnerMessage *message)
{
    gboolean is_result = message->type == RUNNER_RESULT;

    if (is_heard(job) && (is_result || message->type == RUNNER_ERROR))
        job->hearing->message(message, job->hearing_data);
    if (is_result && job->hearing)
        runner_message_free(message);
    else
        guest_execution_add(job->execution, message);
}

/* --- its end --- */

void
job_finish(Job *job, const GError *error)
{
    g_autoptr(GTask) task = job->task ? g_object_ref(job->task) : NULL;
    GuestExecution *execution = g_steal_pointer(&job->execution);

    if (job->stream)
        execution->duration_us = util_boottime_us() - job->started_us;
    if (job->timed_out)
        execution->status = GUEST_EXECUTION_TIMED_OUT;
    job_free(job);
    if (task && !error)
        g_task_return_pointer(task, g_steal_pointer(&execution),
                              (GDestroyNotify)guest_execution_free);
    else if (task)
        g_task_return_error(task, g_error_copy(error));
    guest_execution_free(execution);
}

/* A killed one did end: by its timeout, and with the output that it gave. */
static void
finish_killed(Job *job)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);

    message->type = RUNNER_ERROR;
    message->execution = job->number;
    message->error.name = g_strdup("TimeoutError");
    message->error.value = g_strdup("the code did not heed the interrupt and was killed; the "
                                    "interpreter's state is gone");
    message->error.traceback = g_strdup("");
    job_add_message(job, message);
    job_finish(job, NULL);
}

static const char *
describe_end(const GuestExit *how)
{
    switch (how->how) {
    case WIRE_EXIT_OUT_OF_MEMORY:
        return "out of memory";
    case WIRE_EXIT_STATUS:
        return "exit status";
    default:
        return "signal";
    }
}

void
job_lose(Job *job, const GuestExit *how, const GError *error)
{
    g_autoptr(GError) lost = NULL;

    if (how && job->timed_out) {
        finish_killed(job);
        return;
    }
    if (how)
        lost =
            g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                        "The interpreter died during the execution (%s %u); its state is gone, and "
                        "the next execution starts a new one",
                        describe_end(how), how->status);
    job_finish(job, lost ? lost : error);
}
