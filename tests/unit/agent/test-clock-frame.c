/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-clock-frame: the agent answers each CLOCK frame, also a malformed one. */
#include <errno.h>

#include "clock.h"
#include "peer.h"

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

/* This agent does not own the kernel: it answers, but does not change the clock of this machine. */
static void
test_answers(Peer *peer)
{
    gint64 before_us = g_get_real_time();

    g_assert_true(set_clock(peer, (guint64)before_us * 1000)->is_ok);
    g_assert_true(set_clock(peer, (guint64)CLOCK_EARLIEST_S * 1000000000)->is_ok);
    assert_refused(set_clock(peer, 0), EINVAL);
    assert_refused(set_clock(peer, G_MAXUINT64), EINVAL);
    g_assert_cmpint(ABS(g_get_real_time() - before_us), <, 60 * G_USEC_PER_SEC);
}

/* The agent answers a malformed frame and continues. */
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
    g_test_add_data_func("/agent/clock-frame/answers", test_answers, peer_run_clean);
    g_test_add_data_func("/agent/clock-frame/malformed", test_malformed, peer_run_clean);
    return g_test_run();
}
