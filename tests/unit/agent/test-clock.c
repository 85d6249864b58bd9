/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-clock: the guest's clock is set or slewed, depending on the difference, and invalid times
 * are refused. */
#include <glib.h>

#include "clock.h"

#define US_PER_S G_GINT64_CONSTANT(1000000)
#define NOW_US (G_GINT64_CONSTANT(1800000000) * US_PER_S)

static void
assert_chosen(gint64 ahead_us, ClockChange change)
{
    g_assert_cmpint(clock_choose(NOW_US + ahead_us, NOW_US), ==, change);
    g_assert_cmpint(clock_choose(NOW_US - ahead_us, NOW_US), ==, change);
}

/* A small difference is kept, a larger one is slewed, and only a clock that stood still or was set
 * by a user is stepped: forwards and backwards. */
static void
test_choice(void)
{
    assert_chosen(0, CLOCK_KEEP);
    assert_chosen(CLOCK_KEPT_US, CLOCK_KEEP);
    assert_chosen(CLOCK_KEPT_US + 1, CLOCK_SLEW);
    assert_chosen(CLOCK_SLEWED_US, CLOCK_SLEW);
    assert_chosen(CLOCK_SLEWED_US + 1, CLOCK_STEP);
    assert_chosen(86400 * US_PER_S, CLOCK_STEP);
}

static void
test_bounds(void)
{
    gint64 first_us = CLOCK_EARLIEST_S * US_PER_S, last_us = CLOCK_LATEST_S * US_PER_S;

    g_assert_cmpint(clock_choose(first_us, NOW_US), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(first_us - 1, NOW_US), ==, CLOCK_REFUSE);
    g_assert_cmpint(clock_choose(first_us - 1, first_us - 1), ==, CLOCK_REFUSE);
    g_assert_cmpint(clock_choose(last_us, NOW_US), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(last_us + 1, NOW_US), ==, CLOCK_REFUSE);
    g_assert_cmpint(clock_choose(0, NOW_US), ==, CLOCK_REFUSE);
    /* because a user of the guest may have set any time */
    g_assert_cmpint(clock_choose(NOW_US, 0), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(NOW_US, G_MAXINT64), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(NOW_US, G_MININT64 / 2), ==, CLOCK_STEP);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/agent/clock/choice", test_choice);
    g_test_add_func("/agent/clock/bounds", test_bounds);
    return g_test_run();
}
