/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-host-port: the host's bytes are split into connections, frames and noise.
 *
 * A socketpair is the port, and the test's handlers take the place of the agent.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "host-port.h"
#include "loop.h"

static struct {
    int host; /* the host's end */
    guint connections, frames;
    guint8 nonce[WIRE_NONCE_SIZE];
    WireHeader header;   /* of the last frame */
    GByteArray *payload; /* of the last frame */
} test;

static void
on_connected(const uint8_t *nonce)
{
    test.connections++;
    memcpy(test.nonce, nonce, WIRE_NONCE_SIZE);
}

/* This handler treats KILL as a frame that no host would send. */
static int
on_frame(const WireHeader *header, const uint8_t *payload)
{
    if (header->type == WIRE_KILL)
        return -EPROTO;
    test.frames++;
    test.header = *header;
    g_byte_array_set_size(test.payload, 0);
    g_byte_array_append(test.payload, payload, header->length);
    if (header->type == WIRE_PING)
        port_send(header->stream, WIRE_OK, 0);
    return 0;
}

static const PortHandlers handlers = {on_connected, on_frame};

static void
serve(void)
{
    loop_turn(/* block= */ FALSE);
    while (port_has_input())
        port_read();
}

/* Sends in pieces, because the socket cannot hold all of the data before the port reads. */
static void
host_sends(const void *data, gsize size)
{
    const guint8 *bytes = data;

    while (size > 0) {
        gssize n = send(test.host, bytes, MIN(size, 4096), MSG_DONTWAIT);

        g_assert_cmpint(n, >, 0);
        bytes += n;
        size -= (gsize)n;
        serve();
    }
}

static void
host_sends_frame(WireType type, const void *payload, gsize size)
{
    WireHeader header = {(guint32)size, 1, (guint8)type, 0};
    g_autofree guint8 *frame = g_malloc(WIRE_HEADER_SIZE + size + 1);

    wire_header_put(frame, &header);
    if (size > 0)
        memcpy(frame + WIRE_HEADER_SIZE, payload, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    host_sends(frame, WIRE_HEADER_SIZE + size + 1);
}

/* The port reports exactly this connection and the frame after it. */
static void
assert_connects(void)
{
    static guint8 nonce[WIRE_NONCE_SIZE];
    g_autofree guint8 *pad = g_malloc0(WIRE_PREAMBLE_PAD);
    guint connections = test.connections, frames = test.frames;

    nonce[0]++;
    host_sends(pad, WIRE_PREAMBLE_PAD);
    host_sends(wire_magic, WIRE_MAGIC_SIZE);
    host_sends(nonce, WIRE_NONCE_SIZE);
    g_assert_cmpuint(test.connections, ==, connections + 1);
    g_assert_cmpmem(test.nonce, WIRE_NONCE_SIZE, nonce, WIRE_NONCE_SIZE);
    g_assert_cmpuint(test.frames, ==, frames);
    host_sends_frame(WIRE_DATA, "hello", 5);
    g_assert_cmpuint(test.frames, ==, frames + 1);
    g_assert_cmpmem(test.payload->data, test.payload->len, "hello", 5);
}

static void
test_pieces(void)
{
    guint8 frame[WIRE_HEADER_SIZE + 4] = {0};
    WireHeader header = {3, 7, WIRE_DATA, WIRE_STDIN};

    assert_connects();
    wire_header_put(frame, &header);
    memcpy(frame + WIRE_HEADER_SIZE, "abc", 3);
    frame[WIRE_HEADER_SIZE + 3] = WIRE_END;
    for (gsize i = 0; i < sizeof frame; i++) {
        guint frames = test.frames;

        host_sends(&frame[i], 1);
        g_assert_cmpuint(test.frames, ==, frames + (i + 1 == sizeof frame));
    }
    g_assert_cmpuint(test.header.stream, ==, 7);
    g_assert_cmpmem(test.payload->data, test.payload->len, "abc", 3);
}

/* A host dies in the middle of a frame, at each byte of its header and in its payload. */
static void
test_cut_frames(void)
{
    static const guint cuts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 500, 4096, 4107};
    guint8 frame[WIRE_HEADER_SIZE + 4096];
    WireHeader header = {4096, 1, WIRE_DATA, WIRE_STDIN};

    memset(frame, 'x', sizeof frame);
    wire_header_put(frame, &header);
    for (gsize i = 0; i < G_N_ELEMENTS(cuts); i++) {
        assert_connects();
        host_sends(frame, cuts[i]);
        assert_connects();
    }
}

/* A user's bytes look like a preamble: in a frame that is cut off, and in a complete frame. */
static void
test_preamble_in_data(void)
{
    guint8 frame[WIRE_HEADER_SIZE + 64] = {0};
    WireHeader header = {100, 1, WIRE_DATA, WIRE_STDIN};
    guint connections;

    assert_connects();
    connections = test.connections;
    host_sends_frame(WIRE_DATA, wire_magic, WIRE_MAGIC_SIZE);
    g_assert_cmpmem(test.payload->data, test.payload->len, wire_magic, WIRE_MAGIC_SIZE);
    wire_header_put(frame, &header);
    memcpy(frame + WIRE_HEADER_SIZE, wire_magic, WIRE_MAGIC_SIZE);
    host_sends(frame, sizeof frame);
    g_assert_cmpuint(test.connections, ==, connections);
    assert_connects();
}

/* After an invalid frame, nothing but a preamble is accepted. */
static void
test_bad_frames(void)
{
    static const WireHeader bad[] = {
        {WIRE_PAYLOAD_MAX + 1, 1, WIRE_PING, 0}, /* too long */
        {0, 0, WIRE_PING, 0},                    /* no stream */
        {0, 1, WIRE_PING, _WIRE_CHANNELS},       /* no such channel */
        {0, 1, WIRE_KILL, 0},                    /* the handler refuses it */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint8 frame[WIRE_HEADER_SIZE + 1];
        guint frames;

        assert_connects();
        frames = test.frames;
        wire_header_put(frame, &bad[i]);
        frame[WIRE_HEADER_SIZE] = WIRE_END;
        host_sends(frame, sizeof frame);
        host_sends_frame(WIRE_PING, NULL, 0);
        g_assert_cmpuint(test.frames, ==, frames);
    }
    assert_connects();
}

static void
test_noise(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    guint8 noise[10000];

    for (guint round = 0; round < 20; round++) {
        guint connections = test.connections;

        for (gsize i = 0; i < sizeof noise; i++)
            noise[i] = (guint8)g_rand_int(rand);
        host_sends(noise, sizeof noise);
        g_assert_cmpuint(test.connections, ==, connections);
        assert_connects();
    }
}

/* If the host does not read its answers, the port stops reading and loses no frame. */
static void
test_unread_answers(void)
{
    const guint n = 60000;
    guint8 frame[WIRE_HEADER_SIZE + 1];
    WireHeader header = {0, 1, WIRE_PING, 0};
    guint8 bytes[65536];
    gsize answered = 0, at = 0;

    assert_connects();
    port_forget();
    test.frames = 0;
    wire_header_put(frame, &header);
    frame[WIRE_HEADER_SIZE] = WIRE_END;
    while (at < n * sizeof frame && send(test.host, frame + at % sizeof frame,
                                         sizeof frame - at % sizeof frame, MSG_DONTWAIT) > 0) {
        at += sizeof frame;
        serve();
    }
    g_assert_cmpuint(port_waiting(), >, 256 * 1024);
    g_assert_false(port_has_input());
    while (answered < at) {
        gssize size;

        port_flush();
        serve();
        size = recv(test.host, bytes, sizeof bytes, MSG_DONTWAIT);
        g_assert_cmpint(size, >, 0);
        answered += (gsize)size;
    }
    g_assert_cmpuint(test.frames, ==, at / sizeof frame);
}

static void
test_long_name(void)
{
    g_autofree char *name = g_strnfill(5000, 'n');

    assert_connects();
    port_forget();
    port_send_error(1, ENOENT, WIRE_ABOUT_FILE, name);
    g_assert_cmpuint(port_waiting(), <=, PORT_ANSWER_MAX);
    g_assert_cmpuint(port_waiting(), >, WIRE_HEADER_SIZE);
    port_forget();
}

/* This test must be the last one, because there is only one port. */
static void
test_end(void)
{
    g_assert_false(port_is_gone());
    close(test.host);
    loop_turn(/* block= */ TRUE);
    while (port_has_input())
        port_read();
    g_assert_true(port_is_gone());
}

int
main(int argc, char **argv)
{
    int ends[2], status;

    g_test_init(&argc, &argv, NULL);
    test.payload = g_byte_array_new();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    test.host = ends[0];
    g_assert_cmpint(loop_open(), ==, 0);
    g_assert_cmpint(port_open(ends[1], /* is_socket= */ TRUE, &handlers), ==, 0);
    g_test_add_func("/agent/host-port/pieces", test_pieces);
    g_test_add_func("/agent/host-port/cut-frames", test_cut_frames);
    g_test_add_func("/agent/host-port/preamble-in-data", test_preamble_in_data);
    g_test_add_func("/agent/host-port/bad-frames", test_bad_frames);
    g_test_add_func("/agent/host-port/noise", test_noise);
    g_test_add_func("/agent/host-port/unread-answers", test_unread_answers);
    g_test_add_func("/agent/host-port/long-name", test_long_name);
    g_test_add_func("/agent/host-port/end", test_end);
    status = g_test_run();
    g_byte_array_unref(test.payload);
    return status;
}
