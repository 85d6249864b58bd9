/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-util: a timeout fires after its time, however long that is. */
#include "util.h"

#define DAY_MS (G_GUINT64_CONSTANT(24) * 3600 * 1000)

static guint calls;

static void
on_time(gpointer data)
{
    calls++;
}

/* The time in which it would fire, rounded to a second. */
static guint64
seconds_of(guint64 ms)
{
    guint id = util_timeout_add(ms, on_time, NULL);
    GSource *source = g_main_context_find_source_by_id(NULL, id);
    gint64 left_us = g_source_get_ready_time(source) - g_get_monotonic_time();

    g_source_remove(id);
    return (guint64)(left_us + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC;
}

/* 2^32 milliseconds are 49.7 days. */
static void
test_long(void)
{
    static const guint64 lengths_ms[] = {
        2000,        49 * DAY_MS,   G_MAXUINT,       G_MAXUINT + G_GUINT64_CONSTANT(1),
        50 * DAY_MS, 3650 * DAY_MS, 1000000 * DAY_MS};

    for (gsize i = 0; i < G_N_ELEMENTS(lengths_ms); i++)
        g_assert_cmpuint(seconds_of(lengths_ms[i]), ==, (lengths_ms[i] + 500) / 1000);
    g_assert_cmpuint(seconds_of(G_MAXUINT64), ==, 1000000 * DAY_MS / 1000);
    g_assert_cmpuint(calls, ==, 0);
}

static void
test_once(void)
{
    gint64 begin_us = g_get_monotonic_time();

    util_timeout_add(20, on_time, NULL);
    while (calls == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 20000);
    g_assert_false(g_main_context_pending(NULL));
    g_assert_cmpuint(calls, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/util/long-timeout", test_long);
    g_test_add_func("/base/util/timeout-once", test_once);
    return g_test_run();
}
