/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-clock: when the guest's clock is set, and how; what is refused. */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "peer.h"

#define US_PER_S G_GINT64_CONSTANT(1000000)
#define NOW_US (G_GINT64_CONSTANT(1800000000) * US_PER_S)

static void
assert_chosen(gint64 ahead_us, ClockChange change)
{
    g_assert_cmpint(clock_choose(NOW_US + ahead_us, NOW_US), ==, change);
    g_assert_cmpint(clock_choose(NOW_US - ahead_us, NOW_US), ==, change);
}

/* A small difference is left alone, a larger one goes away slowly, and only what stood still or was
 * set by somebody is set at once: forwards and backwards. */
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
    /* whatever a guest's user has made of its clock */
    g_assert_cmpint(clock_choose(NOW_US, 0), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(NOW_US, G_MAXINT64), ==, CLOCK_STEP);
    g_assert_cmpint(clock_choose(NOW_US, G_MININT64 / 2), ==, CLOCK_STEP);
}

static const Answer *
set_clock(Peer *peer, guint64 realtime_ns)
{
    guint32 stream = peer_new_stream(peer);
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_u64(&w, realtime_ns);
    peer_send_raw(peer, frame, (gsize)wire_frame_end(&w, stream, WIRE_CLOCK, 0));
    return peer_wait_end(peer, stream);
}

static void
assert_refused(const Answer *answer, int error)
{
    g_assert_false(answer->is_ok);
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_REQUEST);
    g_assert_cmpstr(answer->name, ==, "clock");
}

/* This agent does not own the kernel: it says what it would, and leaves the clock of this machine
 * alone. */
static void
test_answers(Peer *peer)
{
    gint64 before_us = g_get_real_time();

    g_assert_true(set_clock(peer, (guint64)before_us * 1000)->is_ok);
    g_assert_true(set_clock(peer, (guint64)CLOCK_EARLIEST_S * 1000000000)->is_ok);
    assert_refused(set_clock(peer, 0), EINVAL);
    assert_refused(set_clock(peer, G_MAXUINT64), EINVAL);
    g_assert_cmpint(ABS(g_get_real_time() - before_us), <, 60 * US_PER_S);
}

/* A malformed frame is answered, and the agent goes on. */
static void
test_malformed(Peer *peer)
{
    for (gsize size = 0; size <= 9; size++) {
        guint32 stream = peer_new_stream(peer);

        if (size == 8)
            continue;
        peer_send(peer, stream, WIRE_CLOCK, 0, "123456789", size);
        assert_refused(peer_wait_end(peer, stream), EBADMSG);
    }
    peer_ping(peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/agent/clock/choice", test_choice);
    g_test_add_func("/agent/clock/bounds", test_bounds);
    g_test_add_data_func("/agent/clock/answers", test_answers, peer_run_clean);
    g_test_add_data_func("/agent/clock/malformed", test_malformed, peer_run_clean);
    return g_test_run();
}
