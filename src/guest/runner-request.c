/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runner-request: one request to a runner, from its caller to the answer. */
#include "runner-request.h"

#include "error.h"
#include "runner-interrupt.h"
#include "running-timer.h"
#include "util.h"

#define ENTROPY_SIZE 64

struct RunnerRequest {
    guint32 number;
    GBytes *frame;
    GTask *task; /* NULL: no caller, or no caller any more */
    gulong cancel_handler;
    RunnerRequestCancelled cancelled;
    gpointer cancelled_data;
    guint64 timeout_ms;
    GuestStream *stream; /* that it was sent on; NULL: it waits */
    gint64 started_us;
    RunningTimer timer;
    RunnerInterrupt interrupt;
    gboolean is_execution;
    gboolean timed_out, was_interrupted;
    gboolean has_error; /* an error of the code was reported */
    GuestExecution *execution;
    const GuestHearing *hearing; /* NULL: `execution` collects */
    gpointer hearing_data;
};

/* --- the request --- */

/* Takes `frame`. */
static RunnerRequest *
request_new(guint32 number, GBytes *frame)
{
    RunnerRequest *request = g_new0(RunnerRequest, 1);

    request->number = number;
    request->frame = frame;
    request->execution = guest_execution_new();
    return request;
}

static guint32
runner_flags(const GuestCode *code)
{
    return (code->silent ? RUNNER_SILENT : 0u) | (code->no_history ? RUNNER_NO_HISTORY : 0u) |
           (code->is_exercise ? RUNNER_EXERCISE : 0u) | (code->with_colours ? RUNNER_COLOURS : 0u) |
           (code->drains ? RUNNER_DRAIN : 0u);
}

RunnerRequest *
runner_request_new_execution(guint32 number, const GuestCode *code, GError **error)
{
    const char *dialect = code->dialect ? code->dialect : "";
    GBytes *frame = code->is_check ? runner_encode_check(number, dialect, code->code, error)
                                   : runner_encode_execute(number, runner_flags(code), dialect,
                                                           code->code, code->environment, error);
    RunnerRequest *request;

    if (!frame)
        return NULL;
    request = request_new(number, frame);
    guest_execution_set_budget(request->execution, code->budget);
    request->is_execution = !code->is_check;
    request->timeout_ms = code->timeout_ms;
    request->hearing = code->hearing;
    request->hearing_data = code->hearing_data;
    return request;
}

RunnerRequest *
runner_request_new_reseed(guint32 number, const char *const *environment, GError **error)
{
    guint8 entropy[ENTROPY_SIZE];
    GBytes *frame;

    util_random(entropy, sizeof(entropy));
    frame = runner_encode_reseed(number, entropy, sizeof(entropy), environment,
                                 /* directory= */ "", error);
    return frame ? request_new(number, frame) : NULL;
}

static gboolean
is_heard(const RunnerRequest *request)
{
    return request->task && request->hearing;
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    RunnerRequest *request = data;

    request->cancelled(request, request->cancelled_data);
}

void
runner_request_set_caller(RunnerRequest *request, GTask *task, RunnerRequestCancelled cancelled,
                          gpointer data)
{
    GCancellable *cancellable = g_task_get_cancellable(task);

    request->task = g_object_ref(task);
    request->cancelled = cancelled;
    request->cancelled_data = data;
    if (cancellable)
        request->cancel_handler =
            g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), request);
}

GTask *
runner_request_steal_caller(RunnerRequest *request)
{
    if (is_heard(request))
        request->hearing->over(request->hearing_data);
    if (request->cancel_handler != 0)
        g_signal_handler_disconnect(g_task_get_cancellable(request->task), request->cancel_handler);
    request->cancel_handler = 0;
    return g_steal_pointer(&request->task);
}

void
runner_request_free(RunnerRequest *request)
{
    g_autoptr(GTask) task = runner_request_steal_caller(request);

    running_timer_clear(&request->timer);
    runner_interrupt_end(&request->interrupt);
    g_bytes_unref(request->frame);
    guest_execution_free(request->execution);
    g_free(request);
}

guint32
runner_request_number(const RunnerRequest *request)
{
    return request->number;
}

gboolean
runner_request_is_execution(const RunnerRequest *request)
{
    return request->is_execution;
}

guint32
runner_request_count(const RunnerRequest *request)
{
    return request->execution->count;
}

/* --- under way --- */

void
runner_request_interrupt(RunnerRequest *request)
{
    running_timer_clear(&request->timer);
    request->was_interrupted = TRUE;
    runner_interrupt_begin(&request->interrupt, request->stream);
}

static void
on_timeout(gpointer data)
{
    RunnerRequest *request = data;

    request->timed_out = TRUE;
    runner_request_interrupt(request);
}

void
runner_request_send(RunnerRequest *request, GuestStream *stream)
{
    request->stream = stream;
    request->started_us = util_boottime_us();
    if (request->timeout_ms > 0)
        running_timer_set(&request->timer, guest_stream_link(stream), request->timeout_ms,
                          on_timeout, request);
    guest_stream_write(stream, WIRE_CONTROL, g_bytes_get_data(request->frame, NULL),
                       g_bytes_get_size(request->frame));
}

/* --- what it gives --- */

void
runner_request_add_earlier(RunnerRequest *request, GByteArray *const *earlier)
{
    for (WireChannel channel = WIRE_STDOUT; is_heard(request) && channel <= WIRE_STDERR; channel++)
        if (earlier[channel]->len > 0)
            request->hearing->output(channel, earlier[channel]->data, earlier[channel]->len,
                                     /* is_earlier= */ TRUE, request->hearing_data);
}

void
runner_request_add_output(RunnerRequest *request, WireChannel channel, const guint8 *bytes,
                          gsize size)
{
    GuestExecution *execution = request->execution;

    if (is_heard(request))
        request->hearing->output(channel, bytes, size, /* is_earlier= */ FALSE,
                                 request->hearing_data);
    else if (!request->hearing)
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
describe_interrupt(const RunnerRequest *request)
{
    g_autofree char *limit = NULL;

    if (!request->timed_out)
        return g_strdup("the code was interrupted");
    limit = describe_limit(request->timeout_ms);
    return g_strdup_printf("the code ran longer than its limit of %s and was interrupted", limit);
}

/* Python's KeyboardInterrupt has no text: the message gets one. */
static void
complete_error(const RunnerRequest *request, RunnerMessage *message)
{
    gboolean is_interrupt = g_str_equal(message->error.name, "KeyboardInterrupt");

    if (*message->error.value != '\0' || !is_interrupt || !request->was_interrupted)
        return;
    g_free(message->error.value);
    message->error.value = describe_interrupt(request);
}

void
runner_request_add_message(RunnerRequest *request, RunnerMessage *message)
{
    gboolean is_result = message->type == RUNNER_RESULT;

    if (message->type == RUNNER_COMPLETENESS && request->is_execution) { /* only a check has one */
        runner_message_free(message);
        return;
    }
    if (message->type == RUNNER_ERROR) {
        request->has_error = TRUE;
        complete_error(request, message);
    }
    if (is_heard(request) && message->type != RUNNER_DONE)
        request->hearing->message(message, request->hearing_data);
    if (is_result && request->hearing)
        runner_message_free(message);
    else
        guest_execution_add(request->execution, message);
}

/* --- its end --- */

/* Adds an error that the host has found; it has no traceback. */
static void
add_error(RunnerRequest *request, const char *name, char *value)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);

    message->type = RUNNER_ERROR;
    message->execution = request->number;
    message->error.name = g_strdup(name);
    message->error.value = value;
    message->error.traceback = g_strdup("");
    runner_request_add_message(request, message);
}

/* The runner reports no error when code has caught the interrupt. */
static void
add_missing_error(RunnerRequest *request)
{
    switch (request->execution->status) {
    case GUEST_EXECUTION_TIMED_OUT:
        add_error(request, "TimeoutError", describe_interrupt(request));
        break;
    case GUEST_EXECUTION_INTERRUPTED:
        add_error(request, "KeyboardInterrupt", describe_interrupt(request));
        break;
    case GUEST_EXECUTION_ERROR:
        add_error(request, "UnknownError",
                  g_strdup("the code failed, and its interpreter did not "
                           "report why"));
        break;
    case GUEST_EXECUTION_OK:
        break;
    }
}

void
runner_request_finish(RunnerRequest *request, const GError *error)
{
    g_autoptr(GTask) task = NULL;
    GuestExecution *execution;

    if (request->stream)
        request->execution->duration_us = util_boottime_us() - request->started_us;
    if (request->timed_out)
        request->execution->status = GUEST_EXECUTION_TIMED_OUT;
    if (!error && !request->has_error)
        add_missing_error(request); /* its listener may cancel: then the task has its answer */
    task = request->task ? g_object_ref(request->task) : NULL;
    execution = g_steal_pointer(&request->execution);
    runner_request_free(request);
    if (task && !error)
        g_task_return_pointer(task, g_steal_pointer(&execution),
                              (GDestroyNotify)guest_execution_free);
    else if (task)
        g_task_return_error(task, g_error_copy(error));
    guest_execution_free(execution);
}

/* Why a runner has ended whose code was interrupted. */
static char *
describe_kill(const RunnerRequest *request, const char *end)
{
    if (request->interrupt.has_killed)
        return g_strdup_printf("it ignored the interrupt for %u seconds, and its interpreter was "
                               "killed",
                               request->interrupt.grace_s);
    return g_strdup_printf("its interpreter died of the interrupt (%s)", end);
}

/* The execution ended by its timeout, and its output is returned. */
static void
finish_killed(RunnerRequest *request, const char *end)
{
    g_autofree char *limit = describe_limit(request->timeout_ms);
    g_autofree char *kill = describe_kill(request, end);

    add_error(request, "TimeoutError",
              g_strdup_printf("the code ran longer than its limit of %s; %s: the interpreter's "
                              "state is lost",
                              limit, kill));
    runner_request_finish(request, NULL);
}

void
runner_request_lose(RunnerRequest *request, const GuestExit *how, const GError *error)
{
    g_autofree char *end = how ? guest_exit_describe(how) : NULL;
    g_autoptr(GError) lost = NULL;

    if (how && request->timed_out) {
        finish_killed(request, end);
        return;
    }
    if (how && request->interrupt.has_killed)
        lost = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                           "The interpreter was killed because the code ignored an interrupt for "
                           "%u seconds; its state is lost, and the next execution starts a new "
                           "one",
                           request->interrupt.grace_s);
    else if (how)
        lost = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                           "The interpreter died during the execution (%s); its state is lost, and "
                           "the next execution starts a new one",
                           end);
    runner_request_finish(request, lost ? lost : error);
}
