/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-interpreter: a runner starts, executes, stops and is replaced, and requests to it are
 * queued. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "error.h"
#include "frames.h"
#include "interpreter.h"
#include "request-queue.h"
#include "runner-interrupt.h"
#include "scripted-agent.h"

#define RUNNER_REQUEST_RESEED 1
#define RUNNER_REQUEST_EXECUTE 2
#define RUNNER_HEADER_SIZE 12u
#define STATUS_UNSUPPORTED 64u
#define COUNT_OF_DONE 7 /* put_done() of frames.h */

typedef struct {
    ScriptedAgent agent;
    GuestInterpreter *interpreter;
    guint32 stream;   /* the runner's */
    GString *answers; /* "LABEL=ok:OUTPUT" or "LABEL=ERROR", a line each, in order */
    GString *heard;   /* by the listener */
    gboolean frees_in_answer;
} Fixture;

typedef struct {
    Fixture *f;
    char *label;
} Caller;

/* --- the host's side --- */

static const char *
error_name(const GError *error)
{
    if (error->domain == G_IO_ERROR && error->code == G_IO_ERROR_CANCELLED)
        return "Cancelled";
    g_assert_cmpuint(error->domain, ==, CLOCHE_ERROR);
    return cloche_error_name(error->code);
}

static Caller *
caller_new(Fixture *f, const char *label)
{
    Caller *caller = g_new0(Caller, 1);

    caller->f = f;
    caller->label = g_strdup(label);
    return caller;
}

static void
answered(Caller *caller, const char *what, const GError *error)
{
    g_string_append_printf(caller->f->answers, "%s=%s\n", caller->label,
                           error ? error_name(error) : what);
    if (caller->f->frees_in_answer)
        g_clear_pointer(&caller->f->interpreter, guest_interpreter_free);
    g_free(caller->label);
    g_free(caller);
}

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);
    g_autoptr(GString) text = g_string_new("ok:");

    if (execution)
        g_string_append_len(text, (const char *)execution->out.bytes->data,
                            execution->out.bytes->len);
    answered(data, text->str, error);
}

static void
on_open(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    guest_interpreter_open_finish(NULL, result, &error);
    answered(data, "open", error);
}

static void
execute_with(Fixture *f, const char *label, const GuestHearing *hearing, GCancellable *cancellable)
{
    GuestCode code = {.code = label, .hearing = hearing, .hearing_data = f};

    guest_interpreter_execute_async(f->interpreter, &code, cancellable, on_executed,
                                    caller_new(f, label));
}

static void
execute(Fixture *f, const char *label)
{
    execute_with(f, label, /* hearing= */ NULL, /* cancellable= */ NULL);
}

static void
open_runner(Fixture *f)
{
    guest_interpreter_open_async(f->interpreter, on_open, caller_new(f, "open"));
}

static void
restart(Fixture *f, const char *label)
{
    guest_interpreter_restart_async(f->interpreter, on_open, caller_new(f, label));
}

static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    Fixture *f = data;

    g_string_append(f->heard, is_earlier ? "earlier:" : "output:");
    g_string_append_len(f->heard, (const char *)bytes, (gssize)size);
    g_string_append_c(f->heard, '\n');
}

static void
on_message(const RunnerMessage *message, gpointer data)
{
}

static void
on_over(gpointer data)
{
    Fixture *f = data;

    g_string_append(f->heard, "over\n");
}

static const GuestHearing listener = {on_output, on_message, on_over};

/* Waits until all answers have come, and forgets them. */
static void
expect_answers(Fixture *f, const char *answers)
{
    while (f->answers->len < strlen(answers))
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpstr(f->answers->str, ==, answers);
    g_string_truncate(f->answers, 0);
}

static void
expect_state(Fixture *f, GuestInterpreterState state)
{
    g_assert_cmpint(guest_interpreter_state(f->interpreter), ==, state);
}

static void
wait_for_state(Fixture *f, GuestInterpreterState state)
{
    while (guest_interpreter_state(f->interpreter) != state)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

/* --- the runner's side --- */

static void
expect_start(Fixture *f)
{
    f->stream = agent_expect(&f->agent, WIRE_START).stream;
}

static void
expect_attach(Fixture *f)
{
    f->stream = agent_expect(&f->agent, WIRE_ATTACH).stream;
}

static void
expect_kill(Fixture *f)
{
    g_assert_cmpuint(agent_expect(&f->agent, WIRE_KILL).stream, ==, f->stream);
}

static void
send_started(Fixture *f)
{
    agent_send_started(&f->agent, f->stream);
}

static void
send_exited(Fixture *f)
{
    agent_send_exited(&f->agent, f->stream, WIRE_EXIT_SIGNAL, SIGKILL);
}

static void
send_output(Fixture *f, const char *text)
{
    agent_send_data(&f->agent, f->stream, WIRE_STDOUT, text, strlen(text));
}

/* Frees `frames`. */
static void
send_frames(Fixture *f, GByteArray *frames)
{
    agent_send_data(&f->agent, f->stream, WIRE_CONTROL, frames->data, frames->len);
    g_byte_array_unref(frames);
}

static void
send_ready(Fixture *f)
{
    GByteArray *frames = g_byte_array_new();

    put_ready(frames);
    send_frames(f, frames);
}

static void
send_done(Fixture *f, guint32 number)
{
    GByteArray *frames = g_byte_array_new();

    put_done(frames, number, RUNNER_OK);
    send_frames(f, frames);
}

/* Waits for a request of this type; its number. */
static guint32
expect_request(Fixture *f, guint8 type)
{
    guint32 length, number;
    const guint8 *data;
    gsize size;
    WireHeader header = agent_expect(&f->agent, WIRE_DATA);

    g_assert_cmpuint(header.stream, ==, f->stream);
    g_assert_cmpuint(header.channel, ==, WIRE_CONTROL);
    data = g_bytes_get_data(f->agent.payload, &size);
    g_assert_cmpuint(size, >=, RUNNER_HEADER_SIZE);
    memcpy(&length, data, sizeof(length));
    memcpy(&number, data + 4, sizeof(number));
    g_assert_cmpuint(GUINT32_FROM_LE(length) + RUNNER_HEADER_SIZE, ==, size);
    g_assert_cmpuint(data[8], ==, type);
    return GUINT32_FROM_LE(number);
}

/* Waits for the request to execute `code`; its number. */
static guint32
expect_execute(Fixture *f, const char *code)
{
    guint32 number = expect_request(f, RUNNER_REQUEST_EXECUTE);
    WireReader r = agent_fields(&f->agent);
    g_autofree char *dialect = NULL, *found = NULL;

    r.data += RUNNER_HEADER_SIZE;
    r.left -= RUNNER_HEADER_SIZE;
    wire_get_u32(&r);
    dialect = wire_get_string(&r, 100);
    found = wire_get_string(&r, 100);
    g_assert_cmpstr(found, ==, code);
    return number;
}

/* Waits for the request to synchronize, and answers it. */
static void
answer_sync(Fixture *f)
{
    const gsize mark_size = 16, frame_size = RUNNER_HEADER_SIZE + 4 + RUNNER_NONCE_SIZE;
    g_autoptr(GByteArray) answer = g_byte_array_new();
    const guint8 *data;
    gsize size;

    agent_expect(&f->agent, WIRE_SIGNAL);
    agent_expect(&f->agent, WIRE_DATA);
    data = g_bytes_get_data(f->agent.payload, &size);
    g_assert_cmpuint(size, ==, mark_size + frame_size);
    g_byte_array_append(answer, data + mark_size, frame_size);
    answer->data[8] = RUNNER_SYNCED;
    send_frames(f, g_steal_pointer(&answer));
}

static void
expect_nothing(Fixture *f)
{
    agent_expect_nothing(&f->agent);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    const GuestRunner runner = {.tag = "tag", .program = "python"};

    agent_set_up(&f->agent);
    agent_greet(&f->agent, WIRE_VERSION);
    f->agent.ignores_credit = TRUE;
    f->answers = g_string_new(NULL);
    f->heard = g_string_new(NULL);
    f->interpreter = guest_interpreter_new(f->agent.link, &runner);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    guest_interpreter_free(f->interpreter);
    agent_tear_down(&f->agent);
    g_assert_false(f->agent.is_lost);
    g_string_free(f->answers, TRUE);
    g_string_free(f->heard, TRUE);
}

/* --- a runner's life --- */

/* Brings a new interpreter into a state. In LIFE_RESTARTING a caller waits for the restart. */
static void
bring_to(Fixture *f, RunnerLife life)
{
    switch (life) {
    case LIFE_NONE:
    case LIFE_CLOSED:
    case _LIFE_MAX:
        return;
    case LIFE_STARTING:
        restart(f, "first");
        expect_start(f);
        send_started(f);
        break;
    case LIFE_ATTACHING:
        open_runner(f);
        expect_attach(f);
        break;
    case LIFE_FINDING:
        guest_interpreter_adopt(f->interpreter);
        expect_attach(f);
        break;
    case LIFE_SYNCING:
        bring_to(f, LIFE_FINDING);
        send_started(f);
        agent_expect(&f->agent, WIRE_SIGNAL);
        agent_expect(&f->agent, WIRE_DATA);
        break;
    case LIFE_READY:
        bring_to(f, LIFE_ATTACHING);
        send_started(f);
        expect_answers(f, "open=open\n");
        break;
    case LIFE_RESTARTING:
        bring_to(f, LIFE_READY);
        restart(f, "first");
        expect_kill(f);
        break;
    case LIFE_STOPPING:
        bring_to(f, LIFE_READY);
        guest_interpreter_stop(f->interpreter, "stopped");
        expect_kill(f);
        break;
    }
}

/* The caller who waits for the runner itself in this state, with an answer; "": there is none. */
static char *
opener_answer(RunnerLife life, const char *answer)
{
    const char *label = life == LIFE_ATTACHING                             ? "open"
                        : life == LIFE_STARTING || life == LIFE_RESTARTING ? "first"
                                                                           : NULL;

    return label ? g_strdup_printf("%s=%s\n", label, answer) : g_strdup("");
}

static gboolean
has_runner(RunnerLife life)
{
    return life != LIFE_NONE;
}

static gboolean
was_killed(RunnerLife life)
{
    return life == LIFE_RESTARTING || life == LIFE_STOPPING;
}

static void
become_ready(Fixture *f)
{
    expect_start(f);
    send_started(f);
    send_ready(f);
}

static void
test_state(Fixture *f, gconstpointer data)
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
    };

    bring_to(f, GPOINTER_TO_UINT(data));
    expect_state(f, states[GPOINTER_TO_UINT(data)]);
}

/* An execution is sent when the runner is ready; where there is none, one is started. */
static void
test_execute(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *opened = opener_answer(life, "open");
    g_autofree char *executed = g_strconcat(opened, "a=ok:out\n", NULL);

    bring_to(f, life == LIFE_SYNCING ? LIFE_FINDING : life);
    if (life == LIFE_SYNCING)
        send_started(f);
    execute(f, "a");
    if (was_killed(life))
        send_exited(f);
    if (was_killed(life) || !has_runner(life))
        become_ready(f);
    else if (life == LIFE_STARTING)
        send_ready(f);
    else if (life == LIFE_ATTACHING || life == LIFE_FINDING)
        send_started(f);
    if (life == LIFE_FINDING || life == LIFE_SYNCING)
        answer_sync(f);

    guint32 number = expect_execute(f, "a");
    expect_state(f, GUEST_INTERPRETER_BUSY);
    g_assert_cmpuint(number, >, RUNNER_SYNC_NUMBER);
    send_output(f, "out");
    send_done(f, number);
    expect_answers(f, executed);
    expect_state(f, GUEST_INTERPRETER_IDLE);
    g_assert_cmpuint(guest_interpreter_count(f->interpreter), ==, COUNT_OF_DONE);
}

/* A runner that was stopped is not started again, until the next execution. */
static void
test_stop(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *answer = opener_answer(life, "RunnerLost");

    bring_to(f, life);
    guest_interpreter_stop(f->interpreter, "stopped");
    expect_answers(f, answer);
    expect_state(f, GUEST_INTERPRETER_NOT_STARTED);
    if (has_runner(life) && life != LIFE_STOPPING)
        expect_kill(f);
    if (has_runner(life))
        send_exited(f);
    expect_nothing(f);
    expect_state(f, GUEST_INTERPRETER_NOT_STARTED);
    execute(f, "a");
    become_ready(f);
    expect_execute(f, "a");
}

/* An execution that comes while the runner is stopping waits for its end. */
static void
test_execute_while_stopping(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_STOPPING);
    execute(f, "a");
    expect_nothing(f);
    send_exited(f);
    become_ready(f);
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
}

static void
test_restart(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *lost = opener_answer(life, "RunnerLost");

    bring_to(f, life);
    restart(f, "second");
    expect_answers(f, lost);
    if (has_runner(life) && life != LIFE_RESTARTING)
        expect_kill(f);
    expect_state(f, GUEST_INTERPRETER_STARTING);
    if (has_runner(life))
        send_exited(f);
    become_ready(f);
    expect_answers(f, "second=open\n");
    expect_state(f, GUEST_INTERPRETER_IDLE);
}

static void
test_remove(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *answer = opener_answer(life, "RunnerLost");

    bring_to(f, life);
    guest_interpreter_remove(g_steal_pointer(&f->interpreter), "removed");
    expect_answers(f, answer);
    if (has_runner(life) && life != LIFE_STOPPING)
        expect_kill(f);
    if (has_runner(life))
        agent_expect(&f->agent, WIRE_CLOSE);
    expect_nothing(f);
}

/* Freed, it leaves the runner alone. */
static void
test_free(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *answer = opener_answer(life, "GuestLost");

    bring_to(f, life);
    guest_interpreter_free(g_steal_pointer(&f->interpreter));
    expect_answers(f, answer);
    if (has_runner(life))
        agent_expect(&f->agent, WIRE_CLOSE);
    expect_nothing(f);
}

/* The runner ends without having been told to. */
static void
test_end(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    gboolean starts = life == LIFE_ATTACHING || life == LIFE_RESTARTING;
    g_autofree char *answer = opener_answer(life, starts ? "open" : "RunnerLost");

    bring_to(f, life);
    send_exited(f);
    if (starts)
        become_ready(f);
    expect_answers(f, answer);
    expect_nothing(f);
    expect_state(f, starts ? GUEST_INTERPRETER_IDLE : GUEST_INTERPRETER_NOT_STARTED);
}

static void
test_disconnect(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);
    g_autofree char *answer = opener_answer(life, "GuestLost");
    g_autofree char *answers = g_strconcat(answer, "a=GuestLost\n", NULL);

    bring_to(f, life);
    if (life != LIFE_NONE)
        execute(f, "a");
    guest_link_close(f->agent.link, "closed");
    if (life == LIFE_NONE)
        execute(f, "a");
    expect_answers(f, answers);
    expect_state(f, GUEST_INTERPRETER_NOT_STARTED);
}

/* A runner that was killed may still report that it is ready: that is not the new one. */
static void
test_ready_after_kill(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_STARTING);
    restart(f, "second");
    expect_answers(f, "first=RunnerLost\n");
    expect_kill(f);
    send_ready(f);
    expect_nothing(f);
    expect_state(f, GUEST_INTERPRETER_STARTING);
    send_exited(f);
    become_ready(f);
    expect_answers(f, "second=open\n");
}

/* A hostile agent may report the start of a process again and again. */
static void
test_started_again(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_SYNCING);
    send_started(f);
    expect_nothing(f);
    expect_state(f, GUEST_INTERPRETER_STARTING);
}

/* Whatever a runner sends before it is idle is discarded. */
static void
test_leftovers(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_FINDING);
    send_started(f);
    send_done(f, 5);
    send_output(f, "of the previous instance");
    answer_sync(f);
    wait_for_state(f, GUEST_INTERPRETER_IDLE);
    execute(f, "a");
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
}

/* A runner that does not become idle is killed, and the execution that waits starts another. */
static void
test_not_idle(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_SYNCING);
    execute(f, "a");
    for (guint i = 1; i < GUEST_GRACE_S; i++) {
        agent_expect(&f->agent, WIRE_SIGNAL);
        send_output(f, "busy"); /* or the link would ask with a PING */
    }
    expect_kill(f);
    send_exited(f);
    become_ready(f);
    expect_execute(f, "a");
}

/* Only the caller that waited for this runner gets the error; the next one starts another. */
static void
test_unsupported(Fixture *f, gconstpointer data)
{
    execute(f, "a");
    execute(f, "b");
    expect_start(f);
    send_started(f);
    send_output(f, "no such module\n");
    agent_send_exited(&f->agent, f->stream, WIRE_EXIT_STATUS, STATUS_UNSUPPORTED);
    expect_answers(f, "a=Unsupported\n");
    become_ready(f);
    send_done(f, expect_execute(f, "b"));
    expect_answers(f, "b=ok:\n");
}

static void
test_no_program(Fixture *f, gconstpointer data)
{
    execute(f, "a");
    expect_start(f);
    agent_send_error(&f->agent, f->stream, ENOENT, WIRE_ABOUT_PROGRAM);
    expect_answers(f, "a=Unsupported\n");
}

static void
test_lost(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute(f, "b");
    expect_execute(f, "a");
    send_exited(f);
    become_ready(f); /* for the second one */
    expect_answers(f, "a=RunnerLost\n");
    send_done(f, expect_execute(f, "b"));
    expect_answers(f, "b=ok:\n");
}

/* A message for a request that is not under way ends the runner. */
static void
test_wrong_number(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    send_done(f, expect_execute(f, "a") + 1);
    expect_kill(f);
    send_exited(f);
    expect_answers(f, "a=RunnerLost\n");
}

static void
test_unasked(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    send_done(f, 1);
    expect_kill(f);
}

/* --- the queue --- */

static void
test_stop_while_busy(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute(f, "b");
    expect_execute(f, "a");
    guest_interpreter_stop(f->interpreter, "stopped");
    expect_kill(f);
    expect_answers(f, "a=RunnerLost\nb=RunnerLost\n");
}

static void
test_restart_while_busy(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute(f, "b");
    expect_execute(f, "a");
    restart(f, "second");
    expect_kill(f);
    execute(f, "c");
    expect_answers(f, "a=RunnerLost\nb=RunnerLost\n");
    send_exited(f);
    become_ready(f);
    send_done(f, expect_execute(f, "c"));
    expect_answers(f, "second=open\nc=ok:\n");
}

static void
test_bound(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "current");
    for (guint i = 0; i < GUEST_EXECUTIONS_MAX; i++)
        execute(f, "waiting");
    execute(f, "refused");
    expect_answers(f, "refused=Busy\n");
    send_done(f, expect_execute(f, "current"));
    expect_answers(f, "current=ok:\n");
    execute(f, "added");
    execute(f, "refused");
    expect_answers(f, "refused=Busy\n");
    for (guint i = 0; i < GUEST_EXECUTIONS_MAX; i++) {
        send_done(f, expect_execute(f, "waiting"));
        expect_answers(f, "waiting=ok:\n");
    }
    expect_execute(f, "added");
}

static void
test_cancel_waiting(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute_with(f, "b", NULL, cancellable);
    execute(f, "c");
    g_cancellable_cancel(cancellable);
    expect_answers(f, "b=Cancelled\n");
    send_done(f, expect_execute(f, "a"));
    expect_execute(f, "c");
}

/* Its runner is still being started. */
static void
test_cancel_pending(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    execute_with(f, "a", NULL, cancellable);
    execute(f, "b");
    expect_start(f);
    g_cancellable_cancel(cancellable);
    expect_answers(f, "a=Cancelled\n");
    send_started(f);
    send_ready(f);
    expect_execute(f, "b");
}

/* It is interrupted, and the next one waits until it has ended. */
static void
test_cancel_busy(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    guint32 number;

    bring_to(f, LIFE_READY);
    execute_with(f, "a", &listener, cancellable);
    execute(f, "b");
    number = expect_execute(f, "a");
    g_cancellable_cancel(cancellable);
    agent_expect(&f->agent, WIRE_SIGNAL);
    expect_answers(f, "a=Cancelled\n");
    g_assert_cmpstr(f->heard->str, ==, "over\n");
    send_output(f, "for no caller");
    expect_nothing(f);
    g_assert_cmpstr(f->heard->str, ==, "over\n");
    expect_state(f, GUEST_INTERPRETER_BUSY);
    send_done(f, number);
    expect_execute(f, "b");
}

static void
test_cancelled_before(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    g_cancellable_cancel(cancellable);
    execute_with(f, "a", NULL, cancellable);
    expect_answers(f, "a=Cancelled\n");
    expect_nothing(f);
}

static void
test_interrupt(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    guest_interpreter_interrupt(f->interpreter);
    expect_nothing(f);
    execute(f, "a");
    expect_execute(f, "a");
    guest_interpreter_interrupt(f->interpreter);
    agent_expect(&f->agent, WIRE_SIGNAL);
}

/* Output between executions goes to the next execution whose caller listens. */
static void
test_earlier(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    send_output(f, "early");
    expect_nothing(f);
    execute_with(f, "a", &listener, NULL);
    send_output(f, "late");
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
    g_assert_cmpstr(f->heard->str, ==, "earlier:early\noutput:late\nover\n");
}

/* An answer with collected output does not contain it, and it is not kept for later. */
static void
test_earlier_collected(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    send_output(f, "early");
    expect_nothing(f);
    execute(f, "a");
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
    execute_with(f, "b", &listener, NULL);
    send_done(f, expect_execute(f, "b"));
    expect_answers(f, "b=ok:\n");
    g_assert_cmpstr(f->heard->str, ==, "over\n");
}

/* The last bytes are kept. */
static void
test_earlier_bound(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(GUEST_EARLIER_MAX / 4, 'x');
    g_autofree char *kept = NULL;

    bring_to(f, LIFE_READY);
    send_output(f, "first");
    for (guint i = 0; i < 4; i++) {
        send_output(f, i == 3 ? text + 4 : text); /* one byte too many in all */
        expect_nothing(f);
    }
    execute_with(f, "a", &listener, NULL);
    expect_execute(f, "a");
    kept = g_strdup_printf("earlier:%.*s", 4, "irst");
    g_assert_true(g_str_has_prefix(f->heard->str, kept));
    g_assert_cmpuint(f->heard->len, ==, strlen("earlier:\n") + GUEST_EARLIER_MAX);
}

/* What a runner wrote is lost with it. */
static void
test_earlier_of_other(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    send_output(f, "early");
    send_exited(f);
    wait_for_state(f, GUEST_INTERPRETER_NOT_STARTED);
    execute_with(f, "a", &listener, NULL);
    become_ready(f);
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
    g_assert_cmpstr(f->heard->str, ==, "over\n");
}

/* A reseed is sent before executions that are added later, and keeps earlier output for them. */
static void
test_reseed(Fixture *f, gconstpointer data)
{
    static const char *const environment[] = {"A=1", NULL};
    guint32 number;

    bring_to(f, LIFE_READY);
    send_output(f, "early");
    expect_nothing(f);
    execute_with(f, "a", &listener, NULL);
    guest_interpreter_reseed(f->interpreter, environment);
    execute_with(f, "b", &listener, NULL);
    number = expect_execute(f, "a");
    send_done(f, number);
    number = expect_request(f, RUNNER_REQUEST_RESEED);
    send_output(f, "of the reseed");
    send_done(f, number);
    number = expect_execute(f, "b");
    send_done(f, number);
    expect_answers(f, "a=ok:\nb=ok:\n");
    g_assert_cmpstr(f->heard->str, ==, "earlier:early\nover\nover\n");
}

static void
test_earlier_and_reseed(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    send_output(f, "early");
    expect_nothing(f);
    guest_interpreter_reseed(f->interpreter, NULL);
    execute_with(f, "a", &listener, NULL);
    send_done(f, expect_request(f, RUNNER_REQUEST_RESEED));
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");
    g_assert_cmpstr(f->heard->str, ==, "earlier:early\nover\n");
}

/* A runner that is not started yet needs no new randomness; one that is being found does. */
static void
test_reseed_in_state(Fixture *f, gconstpointer data)
{
    RunnerLife life = GPOINTER_TO_UINT(data);

    bring_to(f, life);
    guest_interpreter_reseed(f->interpreter, NULL);
    if (life == LIFE_FINDING) {
        send_started(f);
        answer_sync(f);
    }
    if (life == LIFE_NONE)
        expect_nothing(f);
    else
        expect_request(f, RUNNER_REQUEST_RESEED);
}

static void
test_hold(Fixture *f, gconstpointer data)
{
    WireReader r;

    bring_to(f, LIFE_READY);
    f->agent.ignores_credit = FALSE;
    guest_interpreter_hold(f->interpreter, TRUE);
    send_output(f, "12345");
    send_output(f, "678");
    expect_nothing(f);
    guest_interpreter_hold(f->interpreter, FALSE);
    g_assert_cmpuint(agent_expect(&f->agent, WIRE_CREDIT).channel, ==, WIRE_STDOUT);
    r = agent_fields(&f->agent);
    g_assert_cmpuint(wire_get_u32(&r), ==, 8);
    guest_interpreter_hold(f->interpreter, FALSE);
    expect_nothing(f);
}

/* Credit that was held for a runner is not given to the next one. */
static void
test_hold_of_other(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    f->agent.ignores_credit = FALSE;
    guest_interpreter_hold(f->interpreter, TRUE);
    send_output(f, "12345");
    send_exited(f);
    wait_for_state(f, GUEST_INTERPRETER_NOT_STARTED);
    guest_interpreter_hold(f->interpreter, FALSE);
    expect_nothing(f);
}

/* A callback may free the interpreter while more messages of the runner are to be handled. */
static void
test_free_in_answer(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute(f, "b");
    f->frees_in_answer = TRUE;
    send_done(f, expect_execute(f, "a"));
    expect_execute(f, "b");
    send_exited(f);
    expect_answers(f, "a=ok:\nb=GuestLost\n");
    g_assert_null(f->interpreter);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, life)                                                                            \
    g_test_add("/interpreter/" #name "/" #life, Fixture, GUINT_TO_POINTER(life), set_up,           \
               test_##name, tear_down)
#define ADD_EACH(name)                                                                             \
    ADD(name, LIFE_STARTING);                                                                      \
    ADD(name, LIFE_ATTACHING);                                                                     \
    ADD(name, LIFE_FINDING);                                                                       \
    ADD(name, LIFE_SYNCING);                                                                       \
    ADD(name, LIFE_READY);                                                                         \
    ADD(name, LIFE_RESTARTING);                                                                    \
    ADD(name, LIFE_STOPPING)
#define ADD_ALL(name)                                                                              \
    ADD(name, LIFE_NONE);                                                                          \
    ADD_EACH(name)
    ADD_ALL(state);
    ADD_ALL(execute);
    ADD_ALL(stop);
    ADD_ALL(restart);
    ADD_ALL(remove);
    ADD_ALL(free);
    ADD_EACH(end);
    ADD_ALL(disconnect);
    ADD(execute_while_stopping, 0);
    ADD(ready_after_kill, 0);
    ADD(started_again, 0);
    ADD(leftovers, 0);
    ADD(not_idle, 0);
    ADD(unsupported, 0);
    ADD(no_program, 0);
    ADD(lost, 0);
    ADD(wrong_number, 0);
    ADD(unasked, 0);
    ADD(stop_while_busy, 0);
    ADD(restart_while_busy, 0);
    ADD(bound, 0);
    ADD(cancel_waiting, 0);
    ADD(cancel_pending, 0);
    ADD(cancel_busy, 0);
    ADD(cancelled_before, 0);
    ADD(interrupt, 0);
    ADD(earlier, 0);
    ADD(earlier_collected, 0);
    ADD(earlier_bound, 0);
    ADD(earlier_of_other, 0);
    ADD(reseed, 0);
    ADD(earlier_and_reseed, 0);
    ADD(reseed_in_state, LIFE_NONE);
    ADD(reseed_in_state, LIFE_FINDING);
    ADD(hold, 0);
    ADD(hold_of_other, 0);
    ADD(free_in_answer, 0);
    return g_test_run();
}
