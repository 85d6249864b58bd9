/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-stream: streams respect their windows, share the connection fairly, keep their order, and
 * may end before their process. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "peer.h"

#define MIB (1024u * 1024)

static const Start with_control = {.flags = START_CONTROL | START_NO_STDIN};

/* The byte depends on its position, so that misplaced data is detected. */
static guint8
byte_at(gsize at)
{
    return (guint8)(at * 31 + (at >> 8) + (at >> 16));
}

static void
send_within_window(Peer *peer, guint32 stream, gsize size)
{
    guint8 bytes[WIRE_DATA_MAX];

    for (gsize sent = 0; sent < size;) {
        gsize n = MIN(sizeof bytes, size - sent);
        while (sent + n - peer_answer(peer, stream)->credit[WIRE_STDIN] > WIRE_WINDOW)
            peer_step(peer);
        for (gsize i = 0; i < n; i++)
            bytes[i] = byte_at(sent + i);
        peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, bytes, n);
        sent += n;
    }
}

static void
test_ten_mebibytes(Peer *peer)
{
    const char *const argv[] = {"cat", NULL};
    const gsize size = 10 * MIB;

    guint32 stream = peer_start(peer, NULL, argv);
    send_within_window(peer, stream, size);
    peer_send(peer, stream, WIRE_EOF, WIRE_STDIN, NULL, 0);
    const Answer *answer = peer_wait_end(peer, stream);
    const GByteArray *data = answer->data[WIRE_STDOUT];
    g_assert_cmpuint(data->len, ==, size);
    for (gsize i = 0; i < size; i++)
        if (data->data[i] != byte_at(i))
            g_error("byte %zu has a wrong value", i);
    g_assert_cmpuint(answer->credit[WIRE_STDIN], ==, size);
}

/* One reader gives no credit, and one program reads no input: the third stream is not delayed. */
static void
test_slow_reader(Peer *peer)
{
    guint8 bytes[WIRE_DATA_MAX] = {0};

    guint32 slow = peer_shell(peer, NULL, "head -c 2000000 /dev/zero");
    peer_answer(peer, slow)->withholds_credit = TRUE;
    guint32 deaf = peer_shell(peer, NULL, "sleep 1000");
    for (guint i = 0; i < WIRE_WINDOW / sizeof bytes; i++)
        peer_send(peer, deaf, WIRE_DATA, WIRE_STDIN, bytes, sizeof bytes);

    const Answer *answer = peer_wait_end(peer, peer_shell(peer, NULL, "head -c 3000000 /dev/zero"));
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 3000000);

    /* Exactly one window has arrived. */
    peer_wait_data(peer, slow, WIRE_STDOUT, WIRE_WINDOW);
    peer_ping(peer);
    g_assert_cmpuint(peer_answer(peer, slow)->data[WIRE_STDOUT]->len, ==, WIRE_WINDOW);

    peer_answer(peer, slow)->withholds_credit = FALSE;
    peer_send_u32(peer, slow, WIRE_CREDIT, WIRE_STDOUT, WIRE_WINDOW);
    answer = peer_wait_end(peer, slow);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 2000000);
    peer_send(peer, deaf, WIRE_KILL, 0, NULL, 0);
    peer_wait_end(peer, deaf);
}

/* Many streams that are sent at the same time arrive completely. */
static void
test_many_streams(Peer *peer)
{
    guint32 streams[100];

    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        streams[i] = peer_shell(peer, NULL, "head -c 200000 /dev/zero");
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        const Answer *answer = peer_wait_end(peer, streams[i]);
        g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 200000);
        g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    }
}

static void
test_order(Peer *peer)
{
    const guint each = 60000, rounds = 100;

    guint32 stream = peer_shell(peer, &with_control,
                                "while read n <&3; do head -c 60000 /dev/zero;"
                                "head -c 10 /dev/zero >&2; echo $n >&3; done");
    const Answer *answer = peer_wait_started(peer, stream);
    for (guint i = 1; i <= rounds; i++) {
        gsize before = answer->data[WIRE_CONTROL]->len;
        peer_send(peer, stream, WIRE_DATA, WIRE_CONTROL, "x\n", 2);
        peer_wait_data(peer, stream, WIRE_CONTROL, before + 1);
        g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, i * each);
        g_assert_cmpuint(answer->data[WIRE_STDERR]->len, ==, i * 10);
        peer_wait_data(peer, stream, WIRE_CONTROL, before + 2);
    }
    peer_send(peer, stream, WIRE_EOF, WIRE_CONTROL, NULL, 0);
    answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
}

/* The answer waits for earlier output for which the host has given no credit. */
static void
test_order_without_credit(Peer *peer)
{
    guint32 stream = peer_shell(peer, &with_control, "head -c 300000 /dev/zero; echo done >&3");
    Answer *answer = peer_answer(peer, stream);
    answer->withholds_credit = TRUE;
    peer_wait_data(peer, stream, WIRE_STDOUT, WIRE_WINDOW);
    peer_ping(peer);
    g_assert_cmpuint(answer->data[WIRE_CONTROL]->len, ==, 0);
    g_assert_false(answer->has_exited);

    peer_send_u32(peer, stream, WIRE_CREDIT, WIRE_STDOUT, 100000);
    peer_wait_data(peer, stream, WIRE_CONTROL, 5);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 300000);
    peer_wait_end(peer, stream);
}

static void
test_closed_input(Peer *peer)
{
    guint8 bytes[WIRE_DATA_MAX] = {0};
    const gsize size = 2 * MIB;

    /* The program closes its input: the agent drops later input and gives the credit back. */
    guint32 stream = peer_shell(peer, NULL, "exec <&-; echo closed; sleep 1000");
    peer_wait_data(peer, stream, WIRE_STDOUT, 7);
    for (gsize sent = 0; sent < size; sent += sizeof bytes) {
        while (sent + sizeof bytes - peer_answer(peer, stream)->credit[WIRE_STDIN] > WIRE_WINDOW)
            peer_step(peer);
        peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, bytes, sizeof bytes);
    }
    peer_send(peer, stream, WIRE_KILL, 0, NULL, 0);
    g_assert_cmpuint(peer_wait_end(peer, stream)->status, ==, SIGKILL);
}

static void
test_output_ends_early(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "echo last; exec >&-; read x; exit 5");
    Answer *answer = peer_answer(peer, stream);
    while (!answer->eof[WIRE_STDOUT])
        peer_step(peer);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 5);
    g_assert_false(answer->eof[WIRE_STDERR]);
    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, "\n", 1);
    g_assert_cmpuint(peer_wait_end(peer, stream)->status, ==, 5);
}

/* --- kept processes --- */

static const Start kept = {.flags = START_KEEP | START_CONTROL, .tag = "runner"};
static const char echo_control[] = "while read x <&3; do echo \"got $x\" >&3; done";

static void
assert_attach_fails(Peer *peer, const char *tag, int error)
{
    const Answer *answer = peer_wait_end(peer, peer_attach(peer, tag));
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_TAG);
    g_assert_cmpstr(answer->name, ==, tag);
}

static void
ask(Peer *peer, guint32 stream, const char *question, const char *expected)
{
    gsize before = peer_answer(peer, stream)->data[WIRE_CONTROL]->len;
    peer_send(peer, stream, WIRE_DATA, WIRE_CONTROL, question, strlen(question));
    const Answer *answer = peer_wait_data(peer, stream, WIRE_CONTROL, before + strlen(expected));
    g_assert_cmpmem(answer->data[WIRE_CONTROL]->data + before,
                    answer->data[WIRE_CONTROL]->len - before, expected, strlen(expected));
}

static void
test_keep(Peer *peer)
{
    const char *const true_argv[] = {"true", NULL};

    guint32 first = peer_shell(peer, &kept, echo_control);
    guint32 pid = peer_wait_started(peer, first)->pid;
    ask(peer, first, "one\n", "got one\n");
    assert_attach_fails(peer, "runner", EBUSY);
    assert_attach_fails(peer, "other", ENOENT);
    assert_attach_fails(peer, "", ENOENT);
    const Answer *answer = peer_wait_end(peer, peer_start(peer, &kept, true_argv));
    g_assert_cmpint(answer->error, ==, EEXIST);

    /* The stream is closed and attached again, in the same connection and in a new one. */
    peer_send(peer, first, WIRE_CLOSE, 0, NULL, 0);
    guint32 second = peer_attach(peer, "runner");
    g_assert_cmpuint(peer_wait_started(peer, second)->pid, ==, pid);
    ask(peer, second, "two\n", "got two\n");
    peer_connect(peer);
    guint32 third = peer_attach(peer, "runner");
    g_assert_cmpuint(peer_wait_started(peer, third)->pid, ==, pid);
    ask(peer, third, "three\n", "got three\n");

    peer_send(peer, third, WIRE_KILL, 0, NULL, 0);
    g_assert_cmpuint(peer_wait_end(peer, third)->status, ==, SIGKILL);
    assert_attach_fails(peer, "runner", ENOENT);
}

/* A kept process that ends while no stream is attached leaves no trace. */
static void
test_kept_exits_alone(Peer *peer)
{
    guint32 stream = peer_shell(peer, &kept, "read x <&3; exit 0");
    peer_wait_started(peer, stream);
    peer_send(peer, stream, WIRE_DATA, WIRE_CONTROL, "\n", 1);
    peer_send(peer, stream, WIRE_CLOSE, 0, NULL, 0);
}

/* Data in transit is lost when a connection breaks, but the next one begins with a full window. */
static void
test_kept_with_full_window(Peer *peer)
{
    guint32 stream = peer_shell(peer, &kept, "cat >/dev/null & head -c 400000 /dev/zero; wait");
    Answer *answer = peer_answer(peer, stream);
    answer->withholds_credit = TRUE;
    peer_wait_data(peer, stream, WIRE_STDOUT, WIRE_WINDOW);
    peer_connect(peer);
    stream = peer_attach(peer, "runner");
    answer = peer_wait_end(peer, stream);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 400000 - WIRE_WINDOW);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"ten-mebibytes", test_ten_mebibytes},
        {"slow-reader", test_slow_reader},
        {"many-streams", test_many_streams},
        {"order", test_order},
        {"order-without-credit", test_order_without_credit},
        {"closed-input", test_closed_input},
        {"output-ends-early", test_output_ends_early},
        {"keep", test_keep},
        {"kept-exits-alone", test_kept_exits_alone},
        {"kept-with-full-window", test_kept_with_full_window},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("stream", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
