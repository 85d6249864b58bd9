/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job: one request to a runner, from who asks to the answer. */
#include "job.h"

#include <signal.h>

#include "error.h"
#include "guest-exit.h"
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
    job->was_killed = TRUE;
    return G_SOURCE_REMOVE;
}

void
job_interrupt(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    job->interrupts = 0;
    job->was_interrupted = TRUE;
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
job_give_earlier(Job *job, GByteArray *const *earlier)
{
    for (WireChannel channel = WIRE_STDOUT; is_heard(job) && channel <= WIRE_STDERR; channel++)
        if (earlier[channel]->len > 0)
            job->hearing->output(channel, earlier[channel]->data, earlier[channel]->len,
                                 /* is_earlier= */ TRUE, job->hearing_data);
}

void
job_add_output(Job *job, WireChannel channel, const guint8 *bytes, gsize size)
{
    GuestExecution *execution = job->execution;

    if (is_heard(job))
        job->hearing->output(channel, bytes, size, /* is_earlier= */ FALSE, job->hearing_data);
    else if (!job->hearing)
        guest_output_add(channel == WIRE_STDERR ? &execution->err : &execution->out, bytes, size);
}

/* "2 seconds" */
static char *
describe_limit(guint64 timeout_ms)
{
    double seconds = (double)timeout_ms / 1000;

    return g_strdup_printf("%g second%s", seconds, timeout_ms == 1000 ? "" : "s");
}

static char *
describe_interrupt(const Job *job)
{
    g_autofree char *limit = NULL;

    if (!job->timed_out)
        return g_strdup("the code was interrupted");
    limit = describe_limit(job->timeout_ms);
    return g_strdup_printf("the code ran longer than its limit of %s and was interrupted", limit);
}

/* Python's KeyboardInterrupt has no text. */
static void
complete_error(const Job *job, RunnerMessage *message)
{
    gboolean is_interrupt = g_str_equal(message->error.name, "KeyboardInterrupt");

    if (*message->error.value != '\0' || !is_interrupt || !job->was_interrupted)
        return;
    g_free(message->error.value);
    message->error.value = describe_interrupt(job);
}

void
job_add_message(Job *job, RunnerMessage *message)
{
    gboolean is_result = message->type == RUNNER_RESULT;

    if (message->type == RUNNER_ERROR) {
        job->has_error = TRUE;
        complete_error(job, message);
    }
    if (is_heard(job) && message->type != RUNNER_DONE)
        job->hearing->message(message, job->hearing_data);
    if (is_result && job->hearing)
        runner_message_free(message);
    else
        guest_execution_add(job->execution, message);
}

/* --- its end --- */

/* Of the host's own: it has no traceback. */
static void
add_error(Job *job, const char *name, char *value)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);

    message->type = RUNNER_ERROR;
    message->execution = job->number;
    message->error.name = g_strdup(name);
    message->error.value = value;
    message->error.traceback = g_strdup("");
    job_add_message(job, message);
}

/* Code may catch the interrupt, and then its runner reports no error. */
static void
add_missing_error(Job *job)
{
    switch (job->execution->status) {
    case GUEST_EXECUTION_TIMED_OUT:
        add_error(job, "TimeoutError", describe_interrupt(job));
        break;
    case GUEST_EXECUTION_INTERRUPTED:
        add_error(job, "KeyboardInterrupt", describe_interrupt(job));
        break;
    case GUEST_EXECUTION_ERROR:
        add_error(job, "UnknownError",
                  g_strdup("the code failed, and its interpreter did not "
                           "report why"));
        break;
    case GUEST_EXECUTION_OK:
        break;
    }
}

void
job_finish(Job *job, const GError *error)
{
    g_autoptr(GTask) task = job->task ? g_object_ref(job->task) : NULL;
    GuestExecution *execution;

    if (job->stream)
        job->execution->duration_us = util_boottime_us() - job->started_us;
    if (job->timed_out)
        job->execution->status = GUEST_EXECUTION_TIMED_OUT;
    if (!error && !job->has_error)
        add_missing_error(job);
    execution = g_steal_pointer(&job->execution);
    job_free(job);
    if (task && !error)
        g_task_return_pointer(task, g_steal_pointer(&execution),
                              (GDestroyNotify)guest_execution_free);
    else if (task)
        g_task_return_error(task, g_error_copy(error));
    guest_execution_free(execution);
}

/* What killed a runner whose code was to stop. */
static char *
describe_kill(const Job *job, const char *end)
{
    if (job->was_killed)
        return g_strdup_printf("it did not heed the interrupt for %d seconds, and its interpreter "
                               "was killed",
                               GUEST_GRACE_S);
    return g_strdup_printf("its interpreter died of the interrupt (%s)", end);
}

/* A killed one did end: by its timeout, and with the output that it gave. */
static void
finish_killed(Job *job, const char *end)
{
    g_autofree char *limit = describe_limit(job->timeout_ms);
    g_autofree char *kill = describe_kill(job, end);

    add_error(job, "TimeoutError",
              g_strdup_printf("the code ran longer than its limit of %s; %s: the interpreter's "
                              "state is lost",
                              limit, kill));
    job_finish(job, NULL);
}

void
job_lose(Job *job, const GuestExit *how, const GError *error)
{
    g_autofree char *end = how ? guest_exit_describe(how) : NULL;
    g_autoptr(GError) lost = NULL;

    if (how && job->timed_out) {
        finish_killed(job, end);
        return;
    }
    if (how && job->was_killed)
        lost = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                           "The interpreter was killed because the code did not heed an interrupt "
                           "for %d seconds; its state is lost, and the next execution starts a new "
                           "one",
                           GUEST_GRACE_S);
    else if (how)
        lost = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                           "The interpreter died during the execution (%s); its state is gone, and "
                           "the next execution starts a new one",
                           end);
    job_finish(job, lost ? lost : error);
}
