/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-request-queue: one request to an interpreter is in progress, and the others wait for it. */
#include <string.h>

#include "request-queue.h"
#include "scripted-runner.h"

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
static GCancellable *leaver;

static void
leave(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    g_cancellable_cancel(leaver);
}

static void
ignore_message(const RunnerMessage *message, gpointer data)
{
}

static void
ignore_end(gpointer data)
{
}

/* A reader that leaves at the first output, which was written before the execution. */
static void
test_cancel_by_earlier(Fixture *f, gconstpointer data)
{
    static const GuestHearing leaving = {leave, ignore_message, ignore_end};
    g_autoptr(GCancellable) cancellable = leaver = g_cancellable_new();

    bring_to(f, LIFE_READY);
    send_output(f, "early");
    expect_nothing(f);
    execute_with(f, "a", &leaving, cancellable);
    expect_execute(f, "a");
    agent_expect(&f->agent, WIRE_SIGNAL);
    expect_answers(f, "a=Cancelled\n");
}

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

/* A reseed is sent before executions that are added later. Output before and during it is kept for
 * them. */
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
    g_assert_cmpstr(f->heard->str, ==, "earlier:early\nover\nearlier:of the reseed\nover\n");
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

/* A callback may end the whole sandbox while more messages of the runner are to be handled. */
static void
test_close_in_answer(Fixture *f, gconstpointer data)
{
    guint32 number;

    bring_to(f, LIFE_READY);
    execute(f, "a");
    execute(f, "b");
    number = expect_execute(f, "a");
    f->closes_link_in_answer = TRUE;
    send_dones(f, number, number + 1);
    expect_answers(f, "a=ok:\nb=GuestLost\n");
    expect_state(f, GUEST_INTERPRETER_NOT_STARTED);
}

/* A caller that was waiting for a restart may execute code in its callback. */
static void
test_execute_in_answer(Fixture *f, gconstpointer data)
{
    bring_to(f, LIFE_READY);
    restart(f, "restart");
    execute(f, "a");
    expect_kill(f);
    f->executed_in_answer = "b";
    send_exited(f);
    become_ready(f);
    send_done(f, expect_execute(f, "a"));
    send_done(f, expect_execute(f, "b"));
    expect_answers(f, "restart=open\na=ok:\nb=ok:\n");
}

static void
leave_at_message(const RunnerMessage *message, gpointer data)
{
    g_cancellable_cancel(leaver);
}

static const GuestHearing leaver_at_message = {leave, leave_at_message, ignore_end};

/* The listener leaves when it hears of an error that the runner has not reported. The caller gets
 * one answer. */
static void
test_cancel_at_end(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    leaver = cancellable;
    bring_to(f, LIFE_READY);
    execute_with(f, "a", &leaver_at_message, cancellable);
    execute(f, "b");
    send_failed(f, expect_execute(f, "a"));
    expect_answers(f, "a=Cancelled\n");
    send_done(f, expect_execute(f, "b"));
    expect_answers(f, "b=ok:\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, life)                                                                            \
    g_test_add("/request-queue/" #name "/" #life, Fixture, GUINT_TO_POINTER(life), set_up,         \
               test_##name, tear_down)
    ADD(stop_while_busy, 0);
    ADD(cancel_by_earlier, 0);
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
    ADD(close_in_answer, 0);
    ADD(execute_in_answer, 0);
    ADD(cancel_at_end, 0);
    return g_test_run();
}
