/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-runner-life: each event changes the state of a runner as its table says. */
#include <errno.h>
#include <string.h>

#include "frames.h"
#include "runner-interrupt.h"
#include "scripted-runner.h"

#define STATUS_UNSUPPORTED 64u
#define COUNT_OF_DONE 7 /* put_done() of frames.h */

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

/* A hostile agent may report the start of a process again: that breaks the protocol. */
static void
test_started_again(Fixture *f, gconstpointer data)
{
    bring_to(f, GPOINTER_TO_UINT(data));
    f->breaks_protocol = TRUE;
    send_started(f);
    agent_wait(&f->agent.is_lost);
    g_assert_cmpint(f->agent.loss, ==, GUEST_BROKE_PROTOCOL);
    guest_link_close(f->agent.link, "closed");
    expect_state(f, GUEST_INTERPRETER_NOT_STARTED);
    g_string_truncate(f->answers, 0);
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

/* After the first signal: the others, in the same intervals, and then the kill. Timers of GLib are
 * never early, and late on a busy machine. */
static void
expect_grace(Fixture *f, guint seconds, gint64 begin_us)
{
    for (guint i = 1; i < RUNNER_INTERRUPTS; i++) {
        agent_expect(&f->agent, WIRE_SIGNAL);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=,
                        i * seconds * G_USEC_PER_SEC / RUNNER_INTERRUPTS);
        send_output(f, "busy"); /* or the link would ask with a PING */
    }
    expect_kill(f);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, seconds * G_USEC_PER_SEC);
}

/* A runner that does not become idle is killed, and the execution that waits starts another. */
static void
test_not_idle(Fixture *f, gconstpointer data)
{
    gint64 begin_us = g_get_monotonic_time();

    f->agent.grace_s = 1;
    bring_to(f, LIFE_SYNCING);
    execute(f, "a");
    expect_grace(f, 1, begin_us);
    send_exited(f);
    become_ready(f);
    expect_execute(f, "a");
}

/* The grace is that of the time of the interrupt, and the caller learns how long it was. */
static void
test_not_interruptible(Fixture *f, gconstpointer data)
{
    gint64 begin_us = g_get_monotonic_time();

    bring_to(f, LIFE_READY);
    execute(f, "a");
    expect_execute(f, "a");
    f->agent.grace_s = 6;
    guest_interpreter_interrupt(f->interpreter);
    agent_expect(&f->agent, WIRE_SIGNAL);
    f->agent.grace_s = 1;
    expect_grace(f, 6, begin_us);
    send_exited(f);
    expect_answers(f, "a=RunnerLost\n");
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

static void
on_stream_started(GuestStream *stream, guint32 pid, gpointer data)
{
}

static void
on_stream_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    guest_stream_free(stream);
}

/* A guest whose runners are idle is not asked: by the time that the guest of a process was asked,
 * it has got nothing, neither after the runner was found nor after an execution. */
static void
test_idle(Fixture *f, gconstpointer data)
{
    static const GuestStreamEvents stream_events = {.started = on_stream_started,
                                                    .ended = on_stream_ended};
    static const char *const argv[] = {"sleep", NULL};
    ScriptedAgent asked = {0};
    Fixture found = {0};

    set_up(&found, /* data= */ NULL);
    bring_to(&found, LIFE_READY);
    bring_to(f, LIFE_READY);
    execute(f, "a");
    send_done(f, expect_execute(f, "a"));
    expect_answers(f, "a=ok:\n");

    agent_set_up(&asked);
    agent_greet(&asked, WIRE_VERSION);
    guest_stream_start(asked.link, &(GuestStart){.argv = argv}, &stream_events, NULL, NULL);
    agent_send_started(&asked, agent_expect(&asked, WIRE_START).stream);
    agent_expect(&asked, WIRE_PING);
    expect_nothing(f);
    expect_nothing(&found);
    agent_tear_down(&asked);
    tear_down(&found, /* data= */ NULL);
}

/* Silence counts while code is executed. */
static void
test_busy(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    execute(f, "a");
    expect_execute(f, "a");
    agent_expect(&f->agent, WIRE_PING);
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, life)                                                                            \
    g_test_add("/runner-life/" #name "/" #life, Fixture, GUINT_TO_POINTER(life), set_up,           \
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
    ADD(started_again, LIFE_STARTING);
    ADD(started_again, LIFE_SYNCING);
    ADD(started_again, LIFE_READY);
    ADD(started_again, LIFE_RESTARTING);
    ADD(started_again, LIFE_STOPPING);
    ADD(idle, 0);
    ADD(busy, 0);
    ADD(leftovers, 0);
    ADD(not_idle, 0);
    ADD(not_interruptible, 0);
    ADD(unsupported, 0);
    ADD(no_program, 0);
    ADD(lost, 0);
    ADD(wrong_number, 0);
    ADD(unasked, 0);
    return g_test_run();
}
