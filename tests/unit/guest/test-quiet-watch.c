/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-quiet-watch: a silent guest is queried, and is ended if it does not reply. */
#include "quiet-watch.h"

#define ASK_MS 20u
#define GIVE_UP_MS 100u
#define LONG_MS (3 * GIVE_UP_MS)

typedef struct {
    QuietWatch watch;
    guint asked;
    gboolean is_given_up, answers;
} Fixture;

static void
on_ask(gpointer data)
{
    Fixture *f = data;

    f->asked++;
    if (f->answers)
        quiet_watch_heard(&f->watch);
}

static void
on_give_up(gpointer data)
{
    Fixture *f = data;

    g_assert_false(f->is_given_up);
    f->is_given_up = TRUE;
}

static const QuietWatchEvents events = {on_ask, on_give_up};

static void
set_up(Fixture *f, gconstpointer data)
{
    quiet_watch_init(&f->watch, ASK_MS, GIVE_UP_MS, &events, f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    quiet_watch_set_due(&f->watch, FALSE);
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Silence is the absence of an event, so the test must let time pass. */
static void
let_pass(guint ms)
{
    gboolean is_over = FALSE;

    g_timeout_add(ms, on_time, &is_over);
    while (!is_over)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

static void
test_give_up(Fixture *f, gconstpointer data)
{
    gint64 begin_us = g_get_monotonic_time();

    quiet_watch_set_due(&f->watch, TRUE);
    while (!f->is_given_up)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpuint(f->asked, ==, 1);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, (gint64)GIVE_UP_MS * 1000);
}

static void
test_answers(Fixture *f, gconstpointer data)
{
    f->answers = TRUE;
    quiet_watch_set_due(&f->watch, TRUE);
    while (f->asked < 3)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_false(f->is_given_up);
}

static void
test_nothing_due(Fixture *f, gconstpointer data)
{
    let_pass(LONG_MS);
    quiet_watch_set_due(&f->watch, TRUE);
    quiet_watch_set_due(&f->watch, FALSE);
    let_pass(LONG_MS);
    g_assert_cmpuint(f->asked, ==, 0);
    g_assert_false(f->is_given_up);
}

static void
test_stopped(Fixture *f, gconstpointer data)
{
    quiet_watch_set_due(&f->watch, TRUE);
    while (f->asked == 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    quiet_watch_set_stopped(&f->watch, TRUE);
    let_pass(LONG_MS);
    g_assert_false(f->is_given_up);
    quiet_watch_set_stopped(&f->watch, FALSE);
    while (!f->is_given_up)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpuint(f->asked, ==, 2); /* asked again after it continued */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/quiet-watch/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("give-up", test_give_up);
    ADD("answers", test_answers);
    ADD("nothing-due", test_nothing_due);
    ADD("stopped", test_stopped);
    return g_test_run();
}
