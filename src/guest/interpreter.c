/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: a runner in the guest, and the requests that wait for it.
 *
 * Any answer may make its receiver free the interpreter: who dispatches holds a reference.
 *
 * One request is under way at a time. What the runner's code writes between two of them (a thread,
 * a process in the background) belongs to nobody and is thrown away.
 */
#include "interpreter.h"

#include <signal.h>

#include "error.h"
#include "util.h"

#define TAG_FORMAT "runner:%s"
#define PROGRAM_FORMAT "/run/cloche/runners/%s/run"
#define ENTROPY_SIZE 64
/* Of the request that brings a runner to rest; later ones count from there. */
#define SYNC_NUMBER 1u

#define INTERRUPT_EVERY_S 1

/* A request: an execution, or a reseed (which has no task). */
typedef struct {
    GuestInterpreter *owner;
    GTask *task; /* NULL: nobody waits for it (any more) */
    GBytes *frame;
    guint32 number;
    guint64 timeout_ms;
    gint64 started_us;
    guint timer;
    guint interrupts; /* since it was to stop */
    gboolean timed_out;
    gulong cancel_handler;
    GuestExecution *execution;
} Job;

struct GuestInterpreter {
    GuestLink *link;
    char *language, *user, *tag;
    GuestStream *stream; /* NULL: no runner */
    RunnerParser *parser;
    gboolean is_ready, is_attaching, is_syncing, is_gone;
    guint8 nonce[RUNNER_NONCE_SIZE];
    guint sync_timer, sync_interrupts;
    GTask *opening;
    guint32 last_number;
    GQueue waiting; /* of Job */
    Job *job;       /* under way */
};

static void run_next(GuestInterpreter *interpreter);

static void
finalize(gpointer data)
{
    GuestInterpreter *interpreter = data;

    g_free(interpreter->language);
    g_free(interpreter->user);
    g_free(interpreter->tag);
}

static void
interpreter_unref(GuestInterpreter *interpreter)
{
    g_rc_box_release_full(interpreter, finalize);
}

typedef GuestInterpreter HeldInterpreter; /* a reference for as long as a handler runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldInterpreter, interpreter_unref)

/* --- jobs --- */

static void
forget_caller(Job *job)
{
    if (job->cancel_handler != 0)
        g_signal_handler_disconnect(g_task_get_cancellable(job->task), job->cancel_handler);
    job->cancel_handler = 0;
    g_clear_object(&job->task);
}

static void
job_free(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    forget_caller(job);
    g_bytes_unref(job->frame);
    guest_execution_free(job->execution);
    g_free(job);
}

/* Answers its caller and frees it. `error` NULL: with the execution. The caller may free the
 * interpreter. */
static void
job_finish(Job *job, const GError *error)
{
    g_autoptr(GTask) task = job->task ? g_object_ref(job->task) : NULL;
    GuestExecution *execution = g_steal_pointer(&job->execution);

    job_free(job);
    if (task && !error)
        g_task_return_pointer(task, g_steal_pointer(&execution),
                              (GDestroyNotify)guest_execution_free);
    else if (task)
        g_task_return_error(task, g_error_copy(error));
    guest_execution_free(execution);
}

/*
 * Interrupts once more, or kills when the grace is over. One interrupt may be lost: code may catch
 * it, and Python throws away what is raised while an object is destroyed, as a file that is closed
 * by that.
 */
static gboolean
insist(GuestStream *stream, guint *interrupts)
{
    if (++*interrupts < GUEST_GRACE_S / INTERRUPT_EVERY_S) {
        guest_stream_signal(stream, SIGINT);
        return G_SOURCE_CONTINUE;
    }
    guest_stream_kill(stream);
    return G_SOURCE_REMOVE;
}

static gboolean
on_not_interrupted(gpointer data)
{
    Job *job = data;

    if (insist(job->owner->stream, &job->interrupts))
        return G_SOURCE_CONTINUE;
    job->timer = 0;
    return G_SOURCE_REMOVE;
}

static void
interrupt(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    job->interrupts = 0;
    guest_stream_signal(job->owner->stream, SIGINT);
    job->timer = g_timeout_add_seconds(INTERRUPT_EVERY_S, on_not_interrupted, job);
}

static gboolean
on_timeout(gpointer data)
{
    Job *job = data;

    job->timer = 0;
    job->timed_out = TRUE;
    interrupt(job);
    return G_SOURCE_REMOVE;
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    Job *job = data;
    GuestInterpreter *owner = job->owner;
    g_autoptr(GTask) task = g_object_ref(job->task);

    forget_caller(job);
    if (job == owner->job && owner->is_ready) {
        interrupt(job);
    } else {
        if (job == owner->job)
            owner->job = NULL; /* its runner is being started: it will not miss it */
        else
            g_queue_remove(&owner->waiting, job);
        job_free(job);
    }
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left");
}

static Job *
job_new(GuestInterpreter *interpreter, guint32 number, GBytes *frame)
{
    Job *job = g_new0(Job, 1);

    job->owner = interpreter;
    job->number = number;
    job->frame = frame;
    job->execution = guest_execution_new();
    return job;
}

/* --- what the runner says --- */

static void
become_ready(GuestInterpreter *interpreter)
{
    g_autoptr(GTask) opening = g_steal_pointer(&interpreter->opening);

    interpreter->is_ready = TRUE;
    interpreter->is_attaching = interpreter->is_syncing = FALSE;
    g_clear_handle_id(&interpreter->sync_timer, g_source_remove);
    if (opening)
        g_task_return_boolean(opening, TRUE);
    run_next(interpreter);
}

static void
finish_execution(GuestInterpreter *interpreter)
{
    Job *job = g_steal_pointer(&interpreter->job);

    job->execution->duration_us = util_boottime_us() - job->started_us;
    if (job->timed_out)
        job->execution->status = GUEST_EXECUTION_TIMED_OUT;
    run_next(interpreter);
    job_finish(job, NULL);
}

/* FALSE: it is not what the runner may say now. */
static gboolean
handle_message(GuestInterpreter *interpreter, RunnerMessage *message)
{
    gboolean is_done = message->type == RUNNER_DONE;

    if (message->type == RUNNER_READY || message->type == RUNNER_SYNCED) {
        runner_message_free(message);
        become_ready(interpreter);
        return TRUE;
    }
    if (!interpreter->job || message->execution != interpreter->job->number) {
        runner_message_free(message);
        return FALSE;
    }
    guest_execution_add(interpreter->job->execution, message);
    if (is_done)
        finish_execution(interpreter);
    return TRUE;
}

static void
handle_control(GuestInterpreter *interpreter, const guint8 *bytes, gsize size)
{
    g_autoptr(GError) error = NULL;
    RunnerMessage *message;
    GuestStream *stream = interpreter->stream;

    runner_parser_feed(interpreter->parser, bytes, size);
    guest_stream_credit(stream, WIRE_CONTROL, size);
    while (interpreter->stream == stream &&
           (message = runner_parser_next(interpreter->parser, &error)))
        if (!handle_message(interpreter, message)) {
            guest_stream_kill(stream);
            return;
        }
    if (error)
        guest_stream_kill(stream);
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);
    GuestExecution *execution = interpreter->job ? interpreter->job->execution : NULL;

    if (channel == WIRE_CONTROL) {
        handle_control(interpreter, bytes, size);
        return;
    }
    if (execution)
        guest_output_add(channel == WIRE_STDERR ? &execution->err : &execution->out, bytes, size);
    guest_stream_credit(stream, channel, size);
}

/* --- the runner's life --- */

static void start_runner(GuestInterpreter *interpreter);

static gboolean
on_not_synced(gpointer data)
{
    GuestInterpreter *interpreter = data;

    if (insist(interpreter->stream, &interpreter->sync_interrupts))
        return G_SOURCE_CONTINUE;
    interpreter->sync_timer = 0;
    return G_SOURCE_REMOVE;
}

/* A runner that executes nothing does not heed the signal. */
static void
sync_runner(GuestInterpreter *interpreter)
{
    g_autoptr(GBytes) frame = runner_encode_sync(SYNC_NUMBER, interpreter->nonce);

    guest_stream_signal(interpreter->stream, SIGINT);
    guest_stream_write(interpreter->stream, WIRE_CONTROL, g_bytes_get_data(frame, NULL),
                       g_bytes_get_size(frame));
    interpreter->sync_interrupts = 0;
    interpreter->sync_timer = g_timeout_add_seconds(INTERRUPT_EVERY_S, on_not_synced, interpreter);
}

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);

    if (interpreter->is_syncing)
        sync_runner(interpreter);
    else if (interpreter->is_attaching)
        become_ready(interpreter);
}

static void
lose_job(Job *job, const GuestExit *how, const GError *error)
{
    g_autoptr(GError) lost = NULL;

    if (how && job->timed_out) {
        job->execution->duration_us = util_boottime_us() - job->started_us;
        job->execution->status = GUEST_EXECUTION_TIMED_OUT;
        guest_execution_set_error(
            job->execution, "TimeoutError",
            "the code did not heed the interrupt and was killed; the interpreter's "
            "state is gone");
        job_finish(job, NULL);
        return;
    }
    if (how)
        lost =
            g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                        "The interpreter died during the execution (%s %u); its state is gone, and "
                        "the next execution starts a new one",
                        how->how == WIRE_EXIT_STATUS ? "exit status" : "signal", how->status);
    job_finish(job, lost ? lost : error);
}

static void
fail_waiting(GuestInterpreter *interpreter, const GError *error)
{
    Job *job;

    while ((job = g_queue_pop_head(&interpreter->waiting)))
        job_finish(job, error);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);
    gboolean guest_is_lost = guest_link_is_over(error);
    g_autoptr(GTask) opening = NULL;
    Job *job;

    g_clear_pointer(&interpreter->stream, guest_stream_free);
    g_clear_pointer(&interpreter->parser, runner_parser_free);
    interpreter->is_ready = FALSE;
    g_clear_handle_id(&interpreter->sync_timer, g_source_remove);
    if (interpreter->is_attaching && !guest_is_lost) {
        interpreter->is_attaching = interpreter->is_syncing = FALSE;
        start_runner(interpreter);
        return;
    }
    opening = g_steal_pointer(&interpreter->opening);
    job = g_steal_pointer(&interpreter->job);
    if (!guest_is_lost && job)
        run_next(interpreter);
    if (opening && error)
        g_task_return_error(opening, g_error_copy(error));
    else if (opening)
        g_task_return_new_error(
            opening, CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
            "The runner for '%s' ended before it was ready (%s %u)", interpreter->language,
            how->how == WIRE_EXIT_STATUS ? "exit status" : "signal", how->status);
    if (job)
        lose_job(job, how, error);
    if (guest_is_lost)
        fail_waiting(interpreter, error);
}

static const GuestStreamEvents events = {on_started, on_received, on_ended};

/* The guest does not even take the request: whoever waits hears why. */
static void
fail_open(GuestInterpreter *interpreter, const GError *error)
{
    g_autoptr(GTask) opening = g_steal_pointer(&interpreter->opening);
    Job *job = g_steal_pointer(&interpreter->job);

    if (opening)
        g_task_return_error(opening, g_error_copy(error));
    if (job)
        job_finish(job, error);
}

static void
start_runner(GuestInterpreter *interpreter)
{
    g_autofree char *program = g_strdup_printf(PROGRAM_FORMAT, interpreter->language);
    const char *const argv[] = {program, NULL};
    GuestStart start = {.argv = argv,
                        .user = interpreter->user,
                        .tag = interpreter->tag,
                        .flags = START_KEEP | START_NO_STDIN | START_CONTROL};
    g_autoptr(GError) error = NULL;

    interpreter->parser = runner_parser_new(/* is_ready= */ FALSE);
    interpreter->stream =
        guest_stream_start(interpreter->link, &start, &events, interpreter, &error);
    if (!interpreter->stream) {
        g_clear_pointer(&interpreter->parser, runner_parser_free);
        fail_open(interpreter, error);
    }
}

void
guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                             gpointer data)
{
    g_autoptr(GError) error = NULL;

    interpreter->opening = g_task_new(NULL, NULL, callback, data);
    interpreter->is_attaching = TRUE;
    interpreter->parser = runner_parser_new(/* is_ready= */ TRUE);
    interpreter->stream =
        guest_stream_attach(interpreter->link, interpreter->tag, &events, interpreter, &error);
    if (!interpreter->stream)
        fail_open(interpreter, error);
}

void
guest_interpreter_adopt(GuestInterpreter *interpreter)
{
    g_autoptr(GError) error = NULL;

    interpreter->is_attaching = interpreter->is_syncing = TRUE;
    interpreter->last_number = SYNC_NUMBER;
    util_random(interpreter->nonce, sizeof(interpreter->nonce));
    interpreter->parser = runner_parser_new_syncing(SYNC_NUMBER, interpreter->nonce);
    interpreter->stream =
        guest_stream_attach(interpreter->link, interpreter->tag, &events, interpreter, &error);
    if (!interpreter->stream) { /* the next execution starts another */
        interpreter->is_attaching = interpreter->is_syncing = FALSE;
        g_clear_pointer(&interpreter->parser, runner_parser_free);
    }
}

gboolean
guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

GuestInterpreter *
guest_interpreter_new(GuestLink *link, const char *language, const char *user)
{
    GuestInterpreter *interpreter = g_rc_box_new0(GuestInterpreter);

    interpreter->link = link;
    interpreter->language = g_strdup(language);
    interpreter->user = g_strdup(user);
    interpreter->tag = g_strdup_printf(TAG_FORMAT, language);
    g_queue_init(&interpreter->waiting);
    return interpreter;
}

void
guest_interpreter_free(GuestInterpreter *interpreter)
{
    g_autoptr(GError) error = NULL;

    if (!interpreter)
        return;
    interpreter->is_gone = TRUE;
    error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "The sandbox has ended");
    fail_open(interpreter, error);
    fail_waiting(interpreter, error);
    g_clear_handle_id(&interpreter->sync_timer, g_source_remove);
    g_clear_pointer(&interpreter->stream, guest_stream_free);
    g_clear_pointer(&interpreter->parser, runner_parser_free);
    interpreter_unref(interpreter);
}

/* --- requests --- */

static void
send_job(GuestInterpreter *interpreter, Job *job)
{
    job->started_us = util_boottime_us();
    if (job->timeout_ms > 0)
        job->timer = g_timeout_add((guint)MIN(job->timeout_ms, G_MAXUINT), on_timeout, job);
    guest_stream_write(interpreter->stream, WIRE_CONTROL, g_bytes_get_data(job->frame, NULL),
                       g_bytes_get_size(job->frame));
}

static void
run_next(GuestInterpreter *interpreter)
{
    if (!interpreter->job)
        interpreter->job = g_queue_pop_head(&interpreter->waiting);
    if (!interpreter->job || interpreter->job->started_us != 0)
        return;
    if (interpreter->is_ready)
        send_job(interpreter, interpreter->job);
    else if (!interpreter->stream && !interpreter->is_gone)
        start_runner(interpreter);
}

static void
add_job(GuestInterpreter *interpreter, Job *job)
{
    g_queue_push_tail(&interpreter->waiting, job);
    if (!interpreter->job && !interpreter->opening)
        run_next(interpreter);
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

void
guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    guint32 number = ++interpreter->last_number;
    guint32 flags = (code->silent ? RUNNER_SILENT : 0u) |
                    (code->no_history ? RUNNER_NO_HISTORY : 0u) |
                    (code->is_exercise ? RUNNER_EXERCISE : 0u);
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
    frame = runner_encode_execute(number, flags, /* dialect= */ "", code->code, code->environment,
                                  &error);
    if (!frame) {
        g_task_return_error(task, error);
        return;
    }
    job = job_new(interpreter, number, frame);
    job->timeout_ms = code->timeout_ms;
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
