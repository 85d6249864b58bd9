/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-trust-frame: the agent answers each TRUST frame, also a malformed one. */
#include <errno.h>
#include <string.h>

#include "peer.h"

#define BEGIN "-----BEGIN CERTIFICATE-----\n"

static const Answer *
trust(Peer *peer, const void *pem, gsize size)
{
    g_autofree guint8 *frame = g_malloc(WIRE_FRAME_MAX);
    guint32 stream = peer_new_stream(peer);
    WireWriter w;

    wire_frame_begin(&w, frame, WIRE_FRAME_MAX);
    wire_put_bytes(&w, pem, size);
    peer_send_raw(peer, frame, (gsize)wire_frame_end(&w, stream, WIRE_TRUST, 0));
    return peer_wait_end(peer, stream);
}

static void
assert_refused(const Answer *answer, int error)
{
    g_assert_false(answer->is_ok);
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_REQUEST);
    g_assert_cmpstr(answer->name, ==, "certificates");
}

/* This agent has no files of certificates: it answers, but writes nothing on this machine. */
static void
test_answers(Peer *peer)
{
    static char pem[WIRE_CERTIFICATES_MAX + 1] = BEGIN;

    memset(pem + strlen(BEGIN), '\n', sizeof pem - strlen(BEGIN));
    g_assert_true(trust(peer, "", 0)->is_ok);
    g_assert_true(trust(peer, pem, sizeof pem - 1)->is_ok);
    assert_refused(trust(peer, pem, sizeof pem), EINVAL);
    assert_refused(trust(peer, "x", 1), EINVAL);
}

/* The agent answers a malformed frame and continues. */
static void
test_malformed(Peer *peer)
{
    static const struct {
        const char *payload;
        gsize size;
    } all[] = {{"", 0}, {"\0\0\0", 3}, {"\1\0\0\0", 4}, {"\0\0\0\0x", 5}};

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        guint32 stream = peer_new_stream(peer);

        peer_send(peer, stream, WIRE_TRUST, 0, all[i].payload, all[i].size);
        assert_refused(peer_wait_end(peer, stream), EBADMSG);
    }
    peer_ping(peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/agent/trust-frame/answers", test_answers, peer_run_clean);
    g_test_add_data_func("/agent/trust-frame/malformed", test_malformed, peer_run_clean);
    return g_test_run();
}
