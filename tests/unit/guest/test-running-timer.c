/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-running-timer: the timer of a limit stands still while the machine does. */
#include "running-timer.h"

#include "scripted-agent.h"

#define LIMIT_MS 50u
#define LONG_MS (4 * LIMIT_MS)

typedef struct {
    RunningTimer timer;
    ScriptedAgent agent;
    gboolean is_over;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    agent_set_up(&f->agent);
    agent_greet(&f->agent, WIRE_VERSION);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    running_timer_clear(&f->timer);
    agent_tear_down(&f->agent);
}

static void
on_over(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* That nothing happens takes time. */
static void
let_pass(guint ms)
{
    gboolean is_over = FALSE;

    g_timeout_add_once(ms, on_over, &is_over);
    agent_wait(&is_over);
}

static gint64
wait_for_timer(Fixture *f)
{
    gint64 begin_us = g_get_monotonic_time();

    agent_wait(&f->is_over);
    return g_get_monotonic_time() - begin_us;
}

static void
test_runs(Fixture *f, gconstpointer data)
{
    running_timer_set(&f->timer, f->agent.link, LIMIT_MS, on_over, &f->is_over);
    g_assert_cmpint(wait_for_timer(f), >=, (gint64)(LIMIT_MS - 1) * 1000);
}

/* The whole limit is left after the stop. */
static void
test_stopped(Fixture *f, gconstpointer data)
{
    running_timer_set(&f->timer, f->agent.link, LIMIT_MS, on_over, &f->is_over);
    guest_link_set_stalled(f->agent.link, TRUE);
    let_pass(LONG_MS);
    g_assert_false(f->is_over);
    guest_link_set_stalled(f->agent.link, FALSE);
    g_assert_cmpint(wait_for_timer(f), >=, (gint64)(LIMIT_MS / 2) * 1000);
}

/* Stops before the timer was set do not prolong it, and a stop is counted once. */
static void
test_earlier_stop(Fixture *f, gconstpointer data)
{
    guest_link_set_stalled(f->agent.link, TRUE);
    guest_link_set_stalled(f->agent.link, TRUE);
    let_pass(10 * LONG_MS);
    guest_link_set_stalled(f->agent.link, FALSE);
    guest_link_set_stalled(f->agent.link, FALSE);
    running_timer_set(&f->timer, f->agent.link, LIMIT_MS, on_over, &f->is_over);
    g_assert_cmpint(wait_for_timer(f), <, (gint64)(10 * LONG_MS) * 1000);
}

static void
test_cleared(Fixture *f, gconstpointer data)
{
    running_timer_set(&f->timer, f->agent.link, LIMIT_MS, on_over, &f->is_over);
    running_timer_clear(&f->timer);
    let_pass(LONG_MS);
    g_assert_false(f->is_over);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/running-timer/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("runs", test_runs);
    ADD("stopped", test_stopped);
    ADD("earlier-stop", test_earlier_stop);
    ADD("cleared", test_cleared);
    return g_test_run();
}
