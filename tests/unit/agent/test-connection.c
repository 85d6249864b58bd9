/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-connection: the agent accepts a new host, whatever state the previous host left the stream
 * in, and ignores noise. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

static void
assert_alive(Peer *peer)
{
    g_autofree char *text = NULL;

    peer_ping(peer);
    const Answer *answer = peer_wait_end(peer, peer_shell(peer, NULL, "echo alive"));
    text = answer_text(answer, WIRE_STDOUT);
    g_assert_cmpstr(text, ==, "alive\n");
}

/* A frame is cut off after each byte of its header, and at some places of its payload. */
static void
test_cut_frames(Peer *peer)
{
    guint8 frame[WIRE_HEADER_SIZE + 4096];
    static const guint cuts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 500, 4096, 4107};

    memset(frame, 'x', sizeof frame);
    for (gsize i = 0; i < G_N_ELEMENTS(cuts); i++) {
        guint32 stream = peer_shell(peer, NULL, "cat");
        peer_wait_started(peer, stream);
        WireHeader header = {4096, stream, WIRE_DATA, WIRE_STDIN};
        wire_header_put(frame, &header);
        peer_send_raw(peer, frame, cuts[i]);
        peer_connect(peer);
        assert_alive(peer);
    }
}

/* A frame that is cut off contains a user's bytes that look like a preamble. The agent answers only
 * the host's preamble. */
static void
test_preamble_in_data(Peer *peer)
{
    guint8 frame[WIRE_HEADER_SIZE + 64] = {0};
    guint32 stream = peer_shell(peer, NULL, "cat");

    peer_wait_started(peer, stream);
    WireHeader header = {100, stream, WIRE_DATA, WIRE_STDIN};
    wire_header_put(frame, &header);
    memcpy(frame + WIRE_HEADER_SIZE, wire_magic, WIRE_MAGIC_SIZE);
    peer_send_raw(peer, frame, sizeof frame);
    guint before = peer->n_frames;
    peer_connect(peer);
    g_assert_cmpuint(peer->n_frames, ==, before + 1); /* one HELLO, not two */
    assert_alive(peer);
}

/* In a complete frame, the same bytes are data. */
static void
test_preamble_as_data(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "cat");

    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, wire_magic, WIRE_MAGIC_SIZE);
    const Answer *answer = peer_wait_data(peer, stream, WIRE_STDOUT, WIRE_MAGIC_SIZE);
    g_assert_cmpmem(answer->data[WIRE_STDOUT]->data, WIRE_MAGIC_SIZE, wire_magic, WIRE_MAGIC_SIZE);
    peer_send(peer, stream, WIRE_EOF, WIRE_STDIN, NULL, 0);
    peer_wait_end(peer, stream);
}

/* After each of these frames, the agent answers only a preamble. */
static void
test_bad_frames(Peer *peer)
{
    static const WireHeader bad[] = {
        {WIRE_PAYLOAD_MAX + 1, 1, WIRE_PING, 0},
        {0, 1, 99, 0},
        {0, 1, 0, 0},
        {0, 0, WIRE_PING, 0},
        {0, 1, WIRE_PING, _WIRE_CHANNELS},
        {65, 1, WIRE_PING, 0},
        {4, 1, WIRE_SIGNAL, 0} /* number 0 */,
        {1, 1, WIRE_KILL, 0},
    };
    guint8 frame[WIRE_HEADER_SIZE + 66];

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        memset(frame, 0, sizeof frame);
        wire_header_put(frame, &bad[i]);
        gsize payload = MIN(bad[i].length, 65);
        frame[WIRE_HEADER_SIZE + payload] = WIRE_END;
        peer_send_raw(peer, frame, WIRE_HEADER_SIZE + payload + 1);
        guint32 stream = peer_new_stream(peer);
        peer_send(peer, stream, WIRE_PING, 0, NULL, 0);
        guint before = peer->n_frames;
        peer_connect(peer);
        g_assert_cmpuint(peer->n_frames, ==, before + 1); /* HELLO, without a PONG before it */
        assert_alive(peer);
    }
}

static void
test_beyond_the_window(Peer *peer)
{
    guint8 bytes[WIRE_DATA_MAX] = {0};
    guint32 stream = peer_shell(peer, NULL, "sleep 1000");

    /* The pipe accepts some of the data, so the test sends more than twice the window. */
    peer_wait_started(peer, stream);
    for (guint i = 0; i < 2 * WIRE_WINDOW / sizeof bytes + 2; i++)
        peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, bytes, sizeof bytes);
    guint before = peer->n_frames;
    guint32 ping = peer_new_stream(peer);
    peer_send(peer, ping, WIRE_PING, 0, NULL, 0);
    peer_connect(peer);
    g_assert_cmpuint(peer->n_frames, <=, before + 3); /* at most two credits, HELLO */
    assert_alive(peer);
}

static void
test_noise(Peer *peer)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    guint8 noise[10000];

    for (guint round = 0; round < 20; round++) {
        for (gsize i = 0; i < sizeof noise; i++)
            noise[i] = (guint8)g_rand_int(rand);
        peer_send_raw(peer, noise, sizeof noise);
        peer_connect(peer);
        assert_alive(peer);
    }
}

/* All processes that a connection started end with the connection. */
static void
test_streams_end(Peer *peer)
{
    for (guint i = 0; i < 10; i++)
        peer_wait_started(peer, peer_shell(peer, NULL, "setsid sleep 1000 & sleep 1000"));
    peer_connect(peer);
    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "");
}

/* If the host sends but does not read, the agent stops reading, but it does not exit. */
static void
test_unread_answers(Peer *peer)
{
    const guint n = 40000;
    guint32 first = peer->last_stream + 1;

    for (guint i = 0; i < n; i++)
        peer_send(peer, peer_new_stream(peer), WIRE_PING, 0, "0123456789012345678901234567890123",
                  34);
    while (!peer_answer(peer, first + n - 1)->pong)
        peer_step(peer);
    for (guint i = 0; i < n; i++)
        g_assert_nonnull(peer_answer(peer, first + i)->pong);
}

static void
test_answers_under_load(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "while :; do :; done & yes & yes >&2");
    peer_wait_data(peer, stream, WIRE_STDOUT, 1);
    peer_answer(peer, stream)->withholds_credit = TRUE;
    for (guint i = 0; i < 100; i++)
        peer_ping(peer);
    peer_send(peer, stream, WIRE_CLOSE, 0, NULL, 0);
}

static void
test_end_of_the_host(void)
{
    g_autoptr(Peer) peer = peer_new();
    if (!peer)
        return;
    siginfo_t info = {0};
    close(peer->fd);
    peer->fd = -1;
    g_assert_cmpint(waitid(P_PID, (id_t)peer->pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpint(info.si_code, ==, CLD_EXITED);
    g_assert_cmpint(info.si_status, ==, 0);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"cut-frames", test_cut_frames},
        {"preamble-in-data", test_preamble_in_data},
        {"preamble-as-data", test_preamble_as_data},
        {"bad-frames", test_bad_frames},
        {"beyond-the-window", test_beyond_the_window},
        {"noise", test_noise},
        {"streams-end", test_streams_end},
        {"unread-answers", test_unread_answers},
        {"answers-under-load", test_answers_under_load},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("connection", tests, G_N_ELEMENTS(tests));
    g_test_add_func("/agent/connection/end-of-the-host", test_end_of_the_host);
    return g_test_run();
}
