/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner-process: the life of a runner in the guest, from its start to its end.
 *
 * Any event may make its receiver free the process, so each handler holds a reference.
 */
#include "runner-process.h"

#include <string.h>

#include "error.h"
#include "guest-error.h"
#include "link-private.h"
#include "runner-interrupt.h"
#include "running-timer.h"
#include "util.h"

#define PROGRAM_FORMAT "/run/cloche/runners/%s/run"
/* Bytes that are kept of the output of a runner that is not ready. */
#define STARTUP_OUTPUT_MAX 4096u
/* Exit status of a runner whose dependencies are missing in the guest. */
#define STATUS_UNSUPPORTED 64u
#define CHANNEL_FLAGS (START_NO_STDIN | START_CONTROL)

struct RunnerProcess {
    GuestLink *link;
    char *tag, *program, *kernel, *user, *cwd;
    char **environment;
    gboolean is_warm;
    RunnerLife life;
    GuestStream *stream; /* NULL: there is no runner */
    RunnerParser *parser;
    guint8 nonce[RUNNER_NONCE_SIZE];
    RunnerInterrupt sync_interrupt;
    RunningTimer start_timer;
    GString *startup_output;
    gboolean is_held;
    gsize owed[WIRE_CONTROL + 1]; /* credit by channel, while it is held or waits */
    LargeFrame large_frame;       /* that it is sending */
    const RunnerProcessEvents *events;
    gpointer data;
};

/* --- the states --- */

enum {
    EVENT_START,
    EVENT_ATTACH,
    EVENT_ADOPT,
    EVENT_FOUND, /* the agent has found or started it */
    EVENT_READY, /* it reports that it is ready, or idle */
    EVENT_RESTART,
    EVENT_STOP,
    EVENT_ENDED,
    EVENT_FAILED, /* the agent could not be asked, or the connection is over */
    EVENT_CLOSE,
    _EVENT_MAX,
};

#define STAYS 0
/* In each state with a runner. */
#define KILLED_OR_LOST                                                                             \
    [EVENT_RESTART] = LIFE_RESTARTING, [EVENT_STOP] = LIFE_STOPPING, [EVENT_FAILED] = LIFE_NONE,   \
    [EVENT_CLOSE] = LIFE_CLOSED

static const RunnerLife next_life[_LIFE_MAX][_EVENT_MAX] = {
    [LIFE_NONE] = {[EVENT_START] = LIFE_STARTING,
                   [EVENT_ATTACH] = LIFE_ATTACHING,
                   [EVENT_ADOPT] = LIFE_FINDING,
                   [EVENT_RESTART] = LIFE_STARTING,
                   [EVENT_CLOSE] = LIFE_CLOSED},
    [LIFE_STARTING] = {KILLED_OR_LOST, [EVENT_READY] = LIFE_READY, [EVENT_ENDED] = LIFE_NONE},
    [LIFE_ATTACHING] = {KILLED_OR_LOST, [EVENT_FOUND] = LIFE_READY, [EVENT_ENDED] = LIFE_STARTING},
    [LIFE_FINDING] = {KILLED_OR_LOST, [EVENT_FOUND] = LIFE_SYNCING, [EVENT_ENDED] = LIFE_NONE},
    [LIFE_SYNCING] = {KILLED_OR_LOST, [EVENT_READY] = LIFE_READY, [EVENT_ENDED] = LIFE_NONE},
    [LIFE_READY] = {KILLED_OR_LOST, [EVENT_ENDED] = LIFE_NONE},
    [LIFE_RESTARTING] = {KILLED_OR_LOST, [EVENT_ENDED] = LIFE_STARTING},
    [LIFE_STOPPING] = {KILLED_OR_LOST, [EVENT_ENDED] = LIFE_NONE},
    [LIFE_CLOSED] = {STAYS},
};

/* FALSE: the event means nothing in this state. */
static gboolean
change_life(RunnerProcess *process, guint event)
{
    RunnerLife next = next_life[process->life][event];

    if (next == STAYS || next == process->life)
        return FALSE;
    process->life = next;
    return TRUE;
}

/* --- memory --- */

static void
finalize(gpointer data)
{
    RunnerProcess *process = data;

    g_free(process->tag);
    g_free(process->program);
    g_free(process->kernel);
    g_free(process->user);
    g_free(process->cwd);
    g_strfreev(process->environment);
    g_string_free(process->startup_output, TRUE);
}

static void
process_unref(RunnerProcess *process)
{
    g_rc_box_release_full(process, finalize);
}

typedef RunnerProcess HeldProcess; /* with a reference for as long as a handler runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldProcess, process_unref)

/* --- its end --- */

static void
stop_timers(RunnerProcess *process)
{
    runner_interrupt_end(&process->sync_interrupt);
    running_timer_clear(&process->start_timer);
}

static void
forget_runner(RunnerProcess *process)
{
    stop_timers(process);
    large_frame_end(&process->large_frame);
    g_clear_pointer(&process->stream, guest_stream_free);
    g_clear_pointer(&process->parser, runner_parser_free);
    memset(process->owed, 0, sizeof(process->owed));
}

static const char *
display_name(const RunnerProcess *process)
{
    return process->kernel ? process->kernel : process->program;
}

/* Why it ended before it was ready: what it wrote, if it wrote anything. */
static GError *
describe_exit(const RunnerProcess *process, const GuestExit *how)
{
    g_autofree char *output =
        g_utf8_make_valid(process->startup_output->str, (gssize)process->startup_output->len);
    gboolean is_unsupported = how->how == WIRE_EXIT_STATUS && how->status == STATUS_UNSUPPORTED;
    g_autofree char *end = NULL;

    g_strchomp(output);
    if (*output)
        return g_error_new(
            CLOCHE_ERROR, is_unsupported ? CLOCHE_ERROR_UNSUPPORTED : CLOCHE_ERROR_RUNNER_LOST,
            "The interpreter for '%s' could not be started: %s", display_name(process), output);
    end = guest_exit_describe(how);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST,
                       "The interpreter for '%s' ended before it was ready (%s)",
                       display_name(process), end);
}

/* Why the agent could not start it. */
static GError *
describe_refusal(const RunnerProcess *process, const GError *error)
{
    if (!g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROGRAM))
        return g_error_copy(error);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                       "The interpreter for '%s' could not be started: the sandbox's image lacks "
                       "the runner '%s' or what executes it; make the sandbox from a template "
                       "that has both, as that of the image 'interpreter'",
                       display_name(process), process->program);
}

static void start_stream(RunnerProcess *process);

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    static const RunnerEnd ends[_LIFE_MAX] = {
        [LIFE_STARTING] = RUNNER_END_NOT_READY, [LIFE_ATTACHING] = RUNNER_END_REPLACED,
        [LIFE_FINDING] = RUNNER_END_STOPPED,    [LIFE_SYNCING] = RUNNER_END_STOPPED,
        [LIFE_READY] = RUNNER_END_LOST,         [LIFE_RESTARTING] = RUNNER_END_REPLACED,
        [LIFE_STOPPING] = RUNNER_END_STOPPED,
    };
    g_autoptr(HeldProcess) process = g_rc_box_acquire(data);
    RunnerEnd why =
        guest_error_is_end_of_link(error) ? RUNNER_END_DISCONNECTED : ends[process->life];
    g_autoptr(GError) failure = NULL;

    forget_runner(process);
    change_life(process, why == RUNNER_END_DISCONNECTED ? EVENT_FAILED : EVENT_ENDED);
    if (why == RUNNER_END_NOT_READY)
        failure = how ? describe_exit(process, how) : describe_refusal(process, error);
    process->events->ended(why, how, failure ? failure : error, process->data);
    if (why == RUNNER_END_REPLACED && process->life == LIFE_STARTING)
        start_stream(process);
}

/* The agent could not be asked for a runner. */
static void
fail_request(RunnerProcess *process, const GError *error)
{
    forget_runner(process);
    change_life(process, EVENT_FAILED);
    process->events->ended(RUNNER_END_NOT_READY, /* how= */ NULL, error, process->data);
}

/* --- what it sends --- */

static void
become_ready(RunnerProcess *process)
{
    stop_timers(process);
    guest_stream_set_idle(process->stream);
    process->events->ready(process->data);
}

/* Takes the message. FALSE: the runner must not send it now. */
static gboolean
handle_message(RunnerProcess *process, RunnerMessage *message)
{
    gboolean is_readiness = message->type == RUNNER_READY || message->type == RUNNER_SYNCED;

    if (!is_readiness && process->life == LIFE_READY)
        return process->events->message(message, process->data);
    runner_message_free(message);
    if (!is_readiness || !change_life(process, EVENT_READY))
        return FALSE;
    become_ready(process);
    return TRUE;
}

/* Messages of a runner that was killed are of no interest. */
static gboolean
is_heard(const RunnerProcess *process)
{
    return process->life != LIFE_RESTARTING && process->life != LIFE_STOPPING &&
           process->life != LIFE_CLOSED;
}

static void
handle_control(RunnerProcess *process, const guint8 *bytes, gsize size)
{
    g_autoptr(GError) error = NULL;
    GuestStream *stream = process->stream;
    RunnerMessage *message;

    if (!is_heard(process))
        return;
    runner_parser_feed(process->parser, bytes, size);
    while (process->stream == stream && is_heard(process) &&
           (message = runner_parser_next(process->parser, &error)))
        if (!handle_message(process, message)) {
            guest_stream_kill(process->stream);
            return;
        }
    if (error)
        guest_stream_kill(process->stream);
}

static void
keep_startup_output(RunnerProcess *process, const guint8 *bytes, gsize size)
{
    gsize room = STARTUP_OUTPUT_MAX - process->startup_output->len;

    g_string_append_len(process->startup_output, (const char *)bytes, (gssize)MIN(size, room));
}

static void
give_credit(RunnerProcess *process, WireChannel channel, gsize size)
{
    if (process->is_held || (channel == WIRE_CONTROL && large_frame_waits(&process->large_frame)))
        process->owed[channel] += size;
    else
        guest_stream_credit(process->stream, channel, size);
}

static void
give_owed(gpointer data)
{
    RunnerProcess *process = data;

    for (WireChannel channel = 0; channel <= WIRE_CONTROL; channel++) {
        gsize size = process->owed[channel];

        process->owed[channel] = 0;
        if (size > 0)
            give_credit(process, channel, size);
    }
}

void
runner_process_hold(RunnerProcess *process, gboolean is_held)
{
    process->is_held = is_held;
    if (!is_held)
        give_owed(process);
}

static void
watch_large_frame(RunnerProcess *process)
{
    large_frame_grow(&process->large_frame, link_large_frames(process->link), process->link,
                     runner_parser_unfinished(process->parser));
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    g_autoptr(HeldProcess) process = g_rc_box_acquire(data);

    if (channel == WIRE_CONTROL)
        handle_control(process, bytes, size);
    else if (process->life == LIFE_READY)
        process->events->output(channel, bytes, size, process->data);
    else
        keep_startup_output(process, bytes, size);
    if (process->stream != stream)
        return;
    if (channel == WIRE_CONTROL)
        watch_large_frame(process);
    give_credit(process, channel, size);
}

/* --- its begin --- */

/* A runner that executes nothing ignores the signal. */
static void
sync_runner(RunnerProcess *process)
{
    g_autoptr(GBytes) frame = runner_encode_sync(RUNNER_SYNC_NUMBER, process->nonce);

    runner_interrupt_begin(&process->sync_interrupt, process->stream);
    guest_stream_write(process->stream, WIRE_CONTROL, g_bytes_get_data(frame, NULL),
                       g_bytes_get_size(frame));
}

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    g_autoptr(HeldProcess) process = g_rc_box_acquire(data);

    if (!change_life(process, EVENT_FOUND))
        return;
    if (process->life == LIFE_SYNCING)
        sync_runner(process);
    else
        become_ready(process);
}

static const GuestStreamEvents stream_events = {on_started, on_received, on_ended};

static void
on_start_timeout(gpointer data)
{
    RunnerProcess *process = data;

    g_string_printf(process->startup_output, "it was not ready after %u seconds",
                    GUEST_RUNNER_START_S);
    guest_stream_kill(process->stream);
}

static void
start_stream(RunnerProcess *process)
{
    g_autofree char *program = g_strdup_printf(PROGRAM_FORMAT, process->program);
    const char *argv[4] = {program};
    guint argc = 1;
    GuestStart start = {.argv = argv,
                        .environment = (const char *const *)process->environment,
                        .cwd = process->cwd,
                        .user = process->user,
                        .tag = process->tag,
                        .flags = START_KEEP | CHANNEL_FLAGS};
    g_autoptr(GError) error = NULL;

    if (process->is_warm)
        argv[argc++] = "--warm";
    if (process->kernel)
        argv[argc++] = process->kernel;
    g_string_truncate(process->startup_output, 0);
    process->parser = runner_parser_new(/* is_ready= */ FALSE);
    process->stream = guest_stream_start(process->link, &start, &stream_events, process, &error);
    if (process->stream)
        running_timer_set(&process->start_timer, process->link, GUEST_RUNNER_START_S * 1000u,
                          on_start_timeout, process);
    else
        fail_request(process, error);
}

void
runner_process_start(RunnerProcess *process)
{
    if (change_life(process, EVENT_START))
        start_stream(process);
}

/* Takes the parser. */
static gboolean
attach_stream(RunnerProcess *process, RunnerParser *parser, GError **error)
{
    process->parser = parser;
    process->stream = guest_stream_attach(process->link, process->tag, CHANNEL_FLAGS,
                                          &stream_events, process, error);
    return process->stream != NULL;
}

void
runner_process_attach(RunnerProcess *process)
{
    g_autoptr(GError) error = NULL;

    if (change_life(process, EVENT_ATTACH) &&
        !attach_stream(process, runner_parser_new(/* is_ready= */ TRUE), &error))
        fail_request(process, error);
}

void
runner_process_adopt(RunnerProcess *process)
{
    if (!change_life(process, EVENT_ADOPT))
        return;
    util_random(process->nonce, sizeof(process->nonce));
    if (attach_stream(process, runner_parser_new_syncing(RUNNER_SYNC_NUMBER, process->nonce),
                      /* error= */ NULL))
        return;
    forget_runner(process); /* the next execution starts another */
    change_life(process, EVENT_FAILED);
}

static void
kill_runner(RunnerProcess *process)
{
    stop_timers(process);
    guest_stream_kill(process->stream);
}

void
runner_process_restart(RunnerProcess *process)
{
    if (!change_life(process, EVENT_RESTART))
        return;
    if (process->life == LIFE_STARTING)
        start_stream(process);
    else
        kill_runner(process);
}

void
runner_process_stop(RunnerProcess *process)
{
    if (change_life(process, EVENT_STOP))
        kill_runner(process);
}

/* --- life --- */

RunnerProcess *
runner_process_new(GuestLink *link, const GuestRunner *runner, const RunnerProcessEvents *events,
                   gpointer data)
{
    RunnerProcess *process = g_rc_box_new0(RunnerProcess);

    process->link = link;
    process->tag = g_strdup(runner->tag);
    process->program = g_strdup(runner->program);
    process->kernel = g_strdup(runner->kernel);
    process->user = g_strdup(runner->user);
    process->cwd = g_strdup(runner->cwd);
    process->environment = g_strdupv((char **)runner->environment);
    process->is_warm = runner->is_warm;
    process->life = LIFE_NONE;
    process->startup_output = g_string_new(NULL);
    large_frame_init(&process->large_frame, give_owed, process);
    process->events = events;
    process->data = data;
    return process;
}

void
runner_process_close(RunnerProcess *process)
{
    change_life(process, EVENT_CLOSE);
    forget_runner(process);
}

void
runner_process_free(RunnerProcess *process)
{
    runner_process_close(process);
    process_unref(process);
}

RunnerLife
runner_process_life(const RunnerProcess *process)
{
    return process->life;
}

GuestStream *
runner_process_stream(const RunnerProcess *process)
{
    return process->stream;
}
