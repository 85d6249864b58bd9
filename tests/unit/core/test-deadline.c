/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-deadline: deadlines expire in their order, and their callbacks may change the queue. */
#include "deadline.h"
#include "util.h"

typedef struct {
    Deadlines *queue;
    GMainLoop *loop;
    GString *log; /* a letter for each deadline that was reached */
    gint64 begin_us;
    Deadline *victim;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->queue = deadlines_new(NULL);
    f->loop = g_main_loop_new(NULL, FALSE);
    f->log = g_string_new(NULL);
    f->begin_us = util_boottime_us();
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    deadlines_free(f->queue);
    g_main_loop_unref(f->loop);
    g_string_free(f->log, TRUE);
}

static void
on_a(gpointer data)
{
    g_string_append_c(((Fixture *)data)->log, 'a');
}

static void
on_b(gpointer data)
{
    g_string_append_c(((Fixture *)data)->log, 'b');
}

static void
on_last(gpointer data)
{
    Fixture *f = data;

    g_string_append_c(f->log, '.');
    g_main_loop_quit(f->loop);
}

static void
test_order(Fixture *f, gconstpointer data)
{
    deadline_add(f->queue, f->begin_us + 30000, on_last, f);
    deadline_add(f->queue, f->begin_us + 20000, on_b, f);
    deadline_add(f->queue, f->begin_us + 10000, on_a, f);
    g_main_loop_run(f->loop);
    g_assert_cmpstr(f->log->str, ==, "ab.");
    g_assert_cmpint(util_boottime_us(), >=, f->begin_us + 30000);
}

/* A deadline that is in the past when it is added, or before the boot, is reached immediately. */
static void
test_past(Fixture *f, gconstpointer data)
{
    deadline_add(f->queue, f->begin_us + 20000, on_last, f);
    deadline_add(f->queue, 0, on_a, f);
    deadline_add(f->queue, -5, on_b, f);
    g_main_loop_run(f->loop);
    g_assert_cmpstr(f->log->str, ==, "ba.");
}

static void
test_remove(Fixture *f, gconstpointer data)
{
    Deadline *first = deadline_add(f->queue, f->begin_us + 1000, on_a, f);
    Deadline *middle = deadline_add(f->queue, f->begin_us + 2000, on_b, f);

    deadline_add(f->queue, f->begin_us + 10000, on_last, f);
    deadline_remove(middle);
    deadline_remove(first);
    g_main_loop_run(f->loop);
    g_assert_cmpstr(f->log->str, ==, ".");
}

static void
on_meddle(gpointer data)
{
    Fixture *f = data;

    g_string_append_c(f->log, 'm');
    deadline_remove(f->victim);
    deadline_add(f->queue, 0, on_a, f);
    deadline_add(f->queue, util_boottime_us() + 5000, on_last, f);
}

/* Two deadlines are due together; the callback of the first removes the second and adds others. */
static void
test_meddle(Fixture *f, gconstpointer data)
{
    deadline_add(f->queue, f->begin_us - 2, on_meddle, f);
    f->victim = deadline_add(f->queue, f->begin_us - 1, on_b, f);
    g_main_loop_run(f->loop);
    g_assert_cmpstr(f->log->str, ==, "ma.");
}

/* Freeing the queue frees what waits in it. */
static void
test_free(Fixture *f, gconstpointer data)
{
    for (int i = 0; i < 100; i++)
        deadline_add(f->queue, f->begin_us + G_USEC_PER_SEC * (100 - i), on_a, f);
    g_assert_cmpstr(f->log->str, ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/deadline/" #name, Fixture, NULL, set_up, test_##name, tear_down)
    ADD(order);
    ADD(past);
    ADD(remove);
    ADD(meddle);
    ADD(free);
    return g_test_run();
}
