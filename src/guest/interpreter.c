/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: a runner in the guest, its life, and what it says.
 *
 * Any answer may make its receiver free the interpreter: who dispatches holds a reference.
 *
 * What code writes between two executions (a thread, a process in the background) is kept within a
 * bound for the next one that is listened to, and is no part of the answer to one that is not.
 */
#include "interpreter-private.h"

#include <string.h>

#include "error.h"
#include "guest-exit.h"
#include "util.h"

#define PROGRAM_FORMAT "/run/cloche/runners/%s/run"
/* Of the request that brings a runner to rest; later ones count from there. */
#define SYNC_NUMBER 1u
/* Bytes that are kept of what a runner says before it is ready. */
#define WORDS_MAX 4096u
/* How a runner ends that the guest has not all for. */
#define STATUS_UNSUPPORTED 64u

static void
finalize(gpointer data)
{
    GuestInterpreter *interpreter = data;

    g_free(interpreter->tag);
    g_free(interpreter->program);
    g_free(interpreter->kernel);
    g_free(interpreter->user);
    g_free(interpreter->cwd);
    g_strfreev(interpreter->environment);
    g_string_free(interpreter->words, TRUE);
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        g_byte_array_unref(interpreter->earlier[channel]);
    g_ptr_array_unref(interpreter->opening);
}

static void
interpreter_unref(GuestInterpreter *interpreter)
{
    g_rc_box_release_full(interpreter, finalize);
}

typedef GuestInterpreter HeldInterpreter; /* a reference for as long as a handler runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldInterpreter, interpreter_unref)

/* --- who waits --- */

/* Answers all that wait for the runner itself. */
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
fail_waiting(GuestInterpreter *interpreter, const GError *error)
{
    Job *job;

    while ((job = g_queue_pop_head(&interpreter->waiting)))
        job_finish(job, error);
}

/* Whoever waits for anything hears why there is nothing. */
static void
fail_all(GuestInterpreter *interpreter, const GError *error)
{
    Job *job = g_steal_pointer(&interpreter->job);

    finish_opening(interpreter, error);
    if (job)
        job_finish(job, error);
    fail_waiting(interpreter, error);
}

/* --- what the runner says --- */

static void
become_ready(GuestInterpreter *interpreter)
{
    interpreter->is_ready = TRUE;
    interpreter->is_attaching = interpreter->is_syncing = FALSE;
    g_clear_handle_id(&interpreter->sync_timer, g_source_remove);
    g_clear_handle_id(&interpreter->start_timer, g_source_remove);
    finish_opening(interpreter, NULL);
    interpreter_run_next(interpreter);
}

static void
finish_execution(GuestInterpreter *interpreter)
{
    Job *job = g_steal_pointer(&interpreter->job);

    interpreter->count = job->execution->count;
    interpreter_run_next(interpreter);
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
    job_add_message(interpreter->job, message);
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
give_credit(GuestInterpreter *interpreter, WireChannel channel, gsize size)
{
    if (interpreter->is_held)
        interpreter->owed[channel] += size;
    else if (interpreter->stream)
        guest_stream_credit(interpreter->stream, channel, size);
}

void
guest_interpreter_hold(GuestInterpreter *interpreter, gboolean is_held)
{
    interpreter->is_held = is_held;
    for (WireChannel channel = 0; !is_held && channel <= WIRE_CONTROL; channel++) {
        gsize size = interpreter->owed[channel];

        interpreter->owed[channel] = 0;
        if (size > 0)
            give_credit(interpreter, channel, size);
    }
}

static void
keep_earlier(GByteArray *kept, const guint8 *bytes, gsize size)
{
    g_byte_array_append(kept, bytes, (guint)size);
    if (kept->len > GUEST_EARLIER_MAX)
        g_byte_array_remove_range(kept, 0, kept->len - GUEST_EARLIER_MAX);
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);
    gsize room = WORDS_MAX - interpreter->words->len;

    if (channel == WIRE_CONTROL)
        handle_control(interpreter, bytes, size);
    else if (interpreter->job && interpreter->job->stream)
        job_add_output(interpreter->job, channel, bytes, size);
    else if (!interpreter->is_ready)
        g_string_append_len(interpreter->words, (const char *)bytes, (gssize)MIN(size, room));
    else
        keep_earlier(interpreter->earlier[channel], bytes, size);
    if (interpreter->stream == stream)
        give_credit(interpreter, channel, size);
}

/* --- the runner's life --- */

static gboolean
on_not_synced(gpointer data)
{
    GuestInterpreter *interpreter = data;

    if (job_insist(interpreter->stream, &interpreter->sync_interrupts))
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
    interpreter->sync_timer =
        g_timeout_add_seconds(JOB_INTERRUPT_EVERY_S, on_not_synced, interpreter);
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

/* Why it never became ready: its own words, if it had any. */
static GError *
describe_failure(const GuestInterpreter *interpreter, const GuestExit *how)
{
    g_autofree char *words =
        g_utf8_make_valid(interpreter->words->str, (gssize)interpreter->words->len);
    gboolean is_unsupported = how->how == WIRE_EXIT_STATUS && how->status == STATUS_UNSUPPORTED;
    const char *name = interpreter->kernel ? interpreter->kernel : interpreter->program;
    g_autofree char *end = NULL;

    g_strchomp(words);
    if (*words)
        return g_error_new(CLOCHE_ERROR,
                           is_unsupported ? CLOCHE_ERROR_UNSUPPORTED : CLOCHE_ERROR_RUNNER_LOST,
                           "The interpreter for '%s' could not be started: %s", name, words);
    end = guest_exit_describe(how);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                       "The interpreter for '%s' ended before it was ready (%s)", name, end);
}

/* Why it did not even begin. */
static GError *
describe_refusal(const GuestInterpreter *interpreter, const GError *error)
{
    const char *name = interpreter->kernel ? interpreter->kernel : interpreter->program;

    if (!g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROGRAM))
        return g_error_copy(error);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                       "The interpreter for '%s' could not be started: the sandbox's image lacks "
                       "the runner '%s' or what executes it; make the sandbox from a template "
                       "that has both, as that of the image 'interpreter'",
                       name, interpreter->program);
}

static void
forget_runner(GuestInterpreter *interpreter)
{
    g_clear_pointer(&interpreter->stream, guest_stream_free);
    g_clear_pointer(&interpreter->parser, runner_parser_free);
    interpreter->is_ready = FALSE;
    interpreter->count = 0;
    memset(interpreter->owed, 0, sizeof(interpreter->owed));
    interpreter_forget_earlier(interpreter);
    g_clear_handle_id(&interpreter->sync_timer, g_source_remove);
    g_clear_handle_id(&interpreter->start_timer, g_source_remove);
}

/* Only what was waiting for it hears of one that could not be started, and what comes next may try
 * again. */
static void
fail_start(GuestInterpreter *interpreter, const GError *error)
{
    Job *job = g_steal_pointer(&interpreter->job);

    finish_opening(interpreter, error);
    if (job)
        job_finish(job, error);
    interpreter_run_next(interpreter);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    g_autoptr(HeldInterpreter) interpreter = g_rc_box_acquire(data);
    gboolean starts =
        interpreter->is_restarting || (interpreter->is_attaching && !interpreter->is_syncing);
    /* It was stopped; or there was none to adopt, or it did not come to rest. */
    gboolean is_wanted = !interpreter->is_syncing && !interpreter->is_stopping;
    gboolean was_ready = interpreter->is_ready;
    g_autoptr(GError) failure = NULL;
    Job *job;

    forget_runner(interpreter);
    interpreter->is_attaching = interpreter->is_syncing = FALSE;
    interpreter->is_restarting = interpreter->is_stopping = FALSE;
    if (guest_link_is_over(error)) {
        fail_all(interpreter, error);
        return;
    }
    if (starts) {
        interpreter_start(interpreter);
        return;
    }
    if (!is_wanted) {
        interpreter_run_next(interpreter);
        return;
    }
    if (!was_ready) {
        failure = how ? describe_failure(interpreter, how) : describe_refusal(interpreter, error);
        fail_start(interpreter, failure);
        return;
    }
    job = g_steal_pointer(&interpreter->job);
    if (job) {
        interpreter_run_next(interpreter);
        job_lose(job, how, error);
    }
}

static const GuestStreamEvents events = {on_started, on_received, on_ended};

static gboolean
on_start_timeout(gpointer data)
{
    GuestInterpreter *interpreter = data;

    interpreter->start_timer = 0;
    g_string_printf(interpreter->words, "it was not ready after %u seconds", GUEST_RUNNER_START_S);
    guest_stream_kill(interpreter->stream);
    return G_SOURCE_REMOVE;
}

void
interpreter_start(GuestInterpreter *interpreter)
{
    g_autofree char *program = g_strdup_printf(PROGRAM_FORMAT, interpreter->program);
    const char *argv[4] = {program};
    guint argc = 1;
    GuestStart start = {.argv = argv,
                        .environment = (const char *const *)interpreter->environment,
                        .cwd = interpreter->cwd,
                        .user = interpreter->user,
                        .tag = interpreter->tag,
                        .flags = START_KEEP | START_NO_STDIN | START_CONTROL};
    g_autoptr(GError) error = NULL;

    if (interpreter->is_warm)
        argv[argc++] = "--warm";
    if (interpreter->kernel)
        argv[argc++] = interpreter->kernel;
    g_string_truncate(interpreter->words, 0);
    interpreter->parser = runner_parser_new(/* is_ready= */ FALSE);
    interpreter->stream =
        guest_stream_start(interpreter->link, &start, &events, interpreter, &error);
    if (interpreter->stream) {
        interpreter->start_timer =
            g_timeout_add_seconds(GUEST_RUNNER_START_S, on_start_timeout, interpreter);
        return;
    }
    g_clear_pointer(&interpreter->parser, runner_parser_free);
    fail_start(interpreter, error);
}

static void
add_opening(GuestInterpreter *interpreter, GAsyncReadyCallback callback, gpointer data)
{
    g_ptr_array_add(interpreter->opening, g_task_new(NULL, NULL, callback, data));
}

void
guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                             gpointer data)
{
    g_autoptr(GError) error = NULL;

    add_opening(interpreter, callback, data);
    interpreter->is_attaching = TRUE;
    interpreter->parser = runner_parser_new(/* is_ready= */ TRUE);
    interpreter->stream =
        guest_stream_attach(interpreter->link, interpreter->tag, &events, interpreter, &error);
    if (!interpreter->stream) {
        g_clear_pointer(&interpreter->parser, runner_parser_free);
        fail_start(interpreter, error);
    }
}

void
guest_interpreter_restart_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GError) error =
        g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                            "The interpreter was started anew before this was executed to its end");

    fail_all(interpreter, error);
    if (interpreter->is_gone) {
        g_task_report_new_error(NULL, callback, data, NULL, CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                                "The interpreter was removed");
        return;
    }
    add_opening(interpreter, callback, data);
    interpreter->is_ready = FALSE;
    interpreter->is_restarting = interpreter->stream != NULL;
    if (interpreter->stream)
        guest_stream_kill(interpreter->stream);
    else
        interpreter_start(interpreter);
}

gboolean
guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
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

GuestInterpreter *
guest_interpreter_new(GuestLink *link, const GuestRunner *runner)
{
    GuestInterpreter *interpreter = g_rc_box_new0(GuestInterpreter);

    interpreter->link = link;
    interpreter->tag = g_strdup(runner->tag);
    interpreter->program = g_strdup(runner->program);
    interpreter->kernel = g_strdup(runner->kernel);
    interpreter->user = g_strdup(runner->user);
    interpreter->cwd = g_strdup(runner->cwd);
    interpreter->environment = g_strdupv((char **)runner->environment);
    interpreter->is_warm = runner->is_warm;
    interpreter->words = g_string_new(NULL);
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        interpreter->earlier[channel] = g_byte_array_new();
    interpreter->opening = g_ptr_array_new_with_free_func(g_object_unref);
    g_queue_init(&interpreter->waiting);
    return interpreter;
}

static void
end(GuestInterpreter *interpreter, const GError *error)
{
    interpreter->is_gone = TRUE;
    fail_all(interpreter, error);
    forget_runner(interpreter);
    interpreter_unref(interpreter);
}

void
guest_interpreter_free(GuestInterpreter *interpreter)
{
    g_autoptr(GError) error = NULL;

    if (!interpreter)
        return;
    error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "The sandbox has ended");
    end(interpreter, error);
}

void
guest_interpreter_stop(GuestInterpreter *interpreter, const char *why)
{
    g_autoptr(HeldInterpreter) held = g_rc_box_acquire(interpreter);
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST, why);

    interpreter->is_ready = FALSE;
    interpreter->is_stopping = interpreter->stream != NULL;
    if (interpreter->stream)
        guest_stream_kill(interpreter->stream);
    fail_all(interpreter, error);
}

void
guest_interpreter_remove(GuestInterpreter *interpreter, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST, why);

    if (interpreter->stream)
        guest_stream_kill(interpreter->stream);
    end(interpreter, error);
}

GuestInterpreterState
guest_interpreter_state(const GuestInterpreter *interpreter)
{
    if (interpreter->job && interpreter->job->stream)
        return GUEST_INTERPRETER_BUSY;
    if (interpreter->is_ready)
        return GUEST_INTERPRETER_IDLE;
    return interpreter->stream && !interpreter->is_stopping ? GUEST_INTERPRETER_STARTING
                                                            : GUEST_INTERPRETER_NOT_STARTED;
}

guint32
guest_interpreter_count(const GuestInterpreter *interpreter)
{
    return interpreter->count;
}
