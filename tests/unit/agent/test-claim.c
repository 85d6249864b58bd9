/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-claim: a claim sets up the guest for its owner, and a second claim is refused. */
#include <errno.h>
#include <string.h>

#include "peer.h"

typedef struct {
    const char *id, *hostname, *user;
    gsize machine_id_size, entropy_size;
    const char *const *environment;
} Claim;

static const Claim good = {"abc123", "box-1", "nobody", 16, 32, NULL};

static guint32
send_claim(Peer *peer, const Claim *claim)
{
    static guint8 frame[WIRE_FRAME_MAX];
    guint8 bytes[512];
    guint32 stream = peer_new_stream(peer);
    WireWriter w;

    for (gsize i = 0; i < sizeof bytes; i++)
        bytes[i] = (guint8)(i + 1);
    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_string(&w, claim->id);
    wire_put_string(&w, claim->hostname);
    wire_put_bytes(&w, bytes, claim->machine_id_size);
    wire_put_bytes(&w, bytes, claim->entropy_size);
    wire_put_u64(&w, 0); /* if the agent set the clock, it would show 1970 */
    wire_put_string(&w, claim->user);
    wire_put_strv(&w, claim->environment);
    peer_send_raw(peer, frame, (gsize)wire_frame_end(&w, stream, WIRE_CLAIM, 0));
    return stream;
}

static void
assert_refused(Peer *peer, Claim claim, int error, WireObject about, const char *name)
{
    const Answer *answer = peer_wait_end(peer, send_claim(peer, &claim));
    g_assert_false(answer->is_ok);
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, about);
    g_assert_cmpstr(answer->name, ==, name);
}

static void
assert_says(Peer *peer, const char *script, const char *expected)
{
    const Answer *answer = peer_wait_end(peer, peer_shell(peer, &(Start){.user = ""}, script));
    g_autofree char *text = answer_text(answer, WIRE_STDOUT);
    g_assert_cmpint(answer->error, ==, 0);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_effects(Peer *peer)
{
    const char *const environment[] = {"A=1", "HOME=/tmp", NULL};
    Claim claim = good;

    g_assert_cmpstr(peer->sandbox, ==, "");
    claim.environment = environment;
    g_assert_true(peer_wait_end(peer, send_claim(peer, &claim))->is_ok);

    assert_says(peer, "hostname; cat /etc/hostname", "box-1\nbox-1\n");
    assert_says(peer, "cat /etc/machine-id", "0102030405060708090a0b0c0d0e0f10\n");
    assert_says(peer, "cat /etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tbox-1\n");
    assert_says(peer, "id -un; echo $A $HOME $USER", "nobody\n1 /tmp nobody\n");
    /* The agent must not change this machine's clock. */
    assert_says(peer, "test $(date +%Y) -gt 2000 && echo still", "still\n");

    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "abc123");
    assert_says(peer, "echo $A", "1\n");
}

static void
test_second(Peer *peer)
{
    g_assert_true(peer_wait_end(peer, send_claim(peer, &good))->is_ok);
    Claim other = good;
    other.id = "other";
    other.hostname = "other";
    assert_refused(peer, other, EALREADY, WIRE_ABOUT_REQUEST, "abc123");
    peer_connect(peer);
    assert_refused(peer, other, EALREADY, WIRE_ABOUT_REQUEST, "abc123");
    g_assert_cmpstr(peer->sandbox, ==, "abc123");
    assert_says(peer, "hostname", "box-1\n");
}

/* A rehearsal makes all steps of a claim, but the next claim is still the first. */
static void
test_rehearsal(Peer *peer)
{
    const char *const environment[] = {"A=1", NULL};
    Claim rehearsal = good;

    rehearsal.id = "";
    rehearsal.hostname = "rehearsed";
    rehearsal.environment = environment;
    for (guint i = 0; i < 3; i++)
        g_assert_true(peer_wait_end(peer, send_claim(peer, &rehearsal))->is_ok);
    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "");
    g_assert_true(peer_wait_end(peer, send_claim(peer, &good))->is_ok);
    assert_says(peer, "hostname; echo [$A]", "box-1\n[]\n");
    assert_says(peer, "cat /etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tbox-1\n");
    assert_refused(peer, rehearsal, EALREADY, WIRE_ABOUT_REQUEST, "abc123");
}

static char *
repeat(char c, gsize n)
{
    char *s = g_malloc(n + 1);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

#define WITH(field, value)                                                                         \
    ({                                                                                             \
        Claim claim_ = good;                                                                       \
        claim_.field = value;                                                                      \
        claim_;                                                                                    \
    })

/* Invalid claims are refused without effect: the longest valid values are accepted after them. */
static void
test_bounds(Peer *peer)
{
    const char *const no_name[] = {"=x", NULL}, *const no_value[] = {"x", NULL};
    g_autofree char *id64 = repeat('a', 64), *id65 = repeat('a', 65);
    g_autofree char *host63 = repeat('h', 63), *host64 = repeat('h', 64);

    assert_refused(peer, WITH(id, "Abc"), EINVAL, WIRE_ABOUT_REQUEST, "id");
    assert_refused(peer, WITH(id, "a-b"), EINVAL, WIRE_ABOUT_REQUEST, "id");
    assert_refused(peer, WITH(id, id65), EBADMSG, WIRE_ABOUT_REQUEST, "claim");
    assert_refused(peer, WITH(hostname, ""), EINVAL, WIRE_ABOUT_REQUEST, "hostname");
    assert_refused(peer, WITH(hostname, "a.b"), EINVAL, WIRE_ABOUT_REQUEST, "hostname");
    assert_refused(peer, WITH(hostname, "-a"), EINVAL, WIRE_ABOUT_REQUEST, "hostname");
    assert_refused(peer, WITH(hostname, host64), EBADMSG, WIRE_ABOUT_REQUEST, "claim");
    assert_refused(peer, WITH(machine_id_size, 15), EINVAL, WIRE_ABOUT_REQUEST, "machine_id");
    assert_refused(peer, WITH(machine_id_size, 17), EINVAL, WIRE_ABOUT_REQUEST, "machine_id");
    assert_refused(peer, WITH(entropy_size, 31), EINVAL, WIRE_ABOUT_REQUEST, "entropy");
    assert_refused(peer, WITH(entropy_size, 257), EINVAL, WIRE_ABOUT_REQUEST, "entropy");
    assert_refused(peer, WITH(environment, no_name), EINVAL, WIRE_ABOUT_REQUEST, "environment");
    assert_refused(peer, WITH(environment, no_value), EINVAL, WIRE_ABOUT_REQUEST, "environment");
    assert_refused(peer, WITH(user, "no-such"), ENOENT, WIRE_ABOUT_USER, "no-such");
    assert_refused(peer, WITH(user, ""), ENOENT, WIRE_ABOUT_USER, "");

    Claim longest = {id64, host63, "root", 16, 256, NULL};
    g_assert_true(peer_wait_end(peer, send_claim(peer, &longest))->is_ok);
    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, id64);
}

static void
test_cut_off(Peer *peer)
{
    guint32 stream = peer_new_stream(peer);
    peer_send(peer, stream, WIRE_CLAIM, 0, "\3\0\0\0abc", 7);
    const Answer *answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->error, ==, EBADMSG);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_REQUEST);
    g_assert_true(peer_wait_end(peer, send_claim(peer, &good))->is_ok);
}

static void
test_quiesce(Peer *peer)
{
    guint32 stream = peer_new_stream(peer);
    peer_send(peer, stream, WIRE_QUIESCE, 0, NULL, 0);
    g_assert_true(peer_wait_end(peer, stream)->is_ok);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"effects", test_effects}, {"second", test_second},   {"rehearsal", test_rehearsal},
        {"bounds", test_bounds},   {"cut-off", test_cut_off}, {"quiesce", test_quiesce},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("claim", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
