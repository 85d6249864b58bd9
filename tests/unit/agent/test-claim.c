/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-claim: a claim sets up the guest for its owner, and a second claim needs a frozen guest. */
#include <errno.h>
#include <string.h>

#include "peer.h"

typedef struct {
    const char *id, *hostname, *user;
    gsize machine_id_size, entropy_size;
    const char *const *environment;
    guint8 shift; /* of the bytes of the machine id */
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
        bytes[i] = (guint8)(i + 1 + claim->shift);
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

/* --- a frozen machine --- */

static void
freeze(Peer *peer)
{
    g_assert_true(peer_wait_end(peer, peer_freeze(peer))->is_ok);
}

static void
thaw(Peer *peer)
{
    guint64 now_ns = (guint64)g_get_real_time() * 1000;

    g_assert_true(peer_wait_end(peer, peer_thaw(peer, now_ns))->is_ok);
}

static void
claim(Peer *peer, Claim request)
{
    g_assert_true(peer_wait_end(peer, send_claim(peer, &request))->is_ok);
}

/* All of the identity is replaced, variables are added, and nothing runs before the thaw. */
static void
test_anew(Peer *peer)
{
    const char *const first[] = {"A=1", "B=1", NULL}, *const second[] = {"B=2", NULL};
    Claim other = {"other", "box-2", "root", 16, 256, second, 1}, old = good;
    guint32 cat;

    old.environment = first;
    claim(peer, old);
    cat = peer_shell(peer, &(Start){.user = "", .flags = START_KEEP, .tag = "cat"},
                     "echo $A; exec cat");
    peer_wait_data(peer, cat, WIRE_STDOUT, 2);
    freeze(peer);
    claim(peer, other);

    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "other");
    cat = peer_attach(peer, "cat");
    peer_wait_started(peer, cat);
    peer_send(peer, cat, WIRE_DATA, WIRE_STDIN, "data", 4);
    freeze(peer); /* it is still frozen */
    g_assert_cmpuint(peer_answer(peer, cat)->data[WIRE_STDOUT]->len, ==, 0);
    thaw(peer);
    peer_wait_data(peer, cat, WIRE_STDOUT, 4);
    peer_send(peer, cat, WIRE_EOF, WIRE_STDIN, NULL, 0);
    peer_wait_end(peer, cat);

    assert_says(peer, "hostname; cat /etc/hostname", "box-2\nbox-2\n");
    assert_says(peer, "cat /etc/machine-id", "02030405060708090a0b0c0d0e0f1011\n");
    assert_says(peer, "cat /etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tbox-2\n");
    assert_says(peer, "id -un; echo [$A] $B", "root\n[1] 2\n");
}

/* Only a frozen machine is claimed anew, and each time that it is frozen. */
static void
test_anew_only_frozen(Peer *peer)
{
    Claim other = good, third = good;

    other.id = "other";
    third.id = "third";
    claim(peer, good);
    assert_refused(peer, other, EALREADY, WIRE_ABOUT_REQUEST, "abc123");
    freeze(peer);
    claim(peer, other);
    claim(peer, third);
    thaw(peer);
    assert_refused(peer, other, EALREADY, WIRE_ABOUT_REQUEST, "third");
    freeze(peer);
    claim(peer, other);
    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "other");
}

/* A refused claim changes nothing, and a rehearsal would make the machine unclaimed. */
static void
test_anew_refused(Peer *peer)
{
    Claim rehearsal = good, bad = good;

    rehearsal.id = "";
    rehearsal.hostname = bad.hostname = "other";
    bad.id = "other";
    bad.entropy_size = 31;
    claim(peer, good);
    freeze(peer);
    assert_refused(peer, rehearsal, EALREADY, WIRE_ABOUT_REQUEST, "abc123");
    assert_refused(peer, bad, EINVAL, WIRE_ABOUT_REQUEST, "entropy");
    thaw(peer);
    assert_says(peer, "hostname", "box-1\n");
    peer_connect(peer);
    g_assert_cmpstr(peer->sandbox, ==, "abc123");
}

/* A machine may be frozen before its first claim. */
static void
test_first_while_frozen(Peer *peer)
{
    Claim rehearsal = good, unknown = good;

    rehearsal.id = "";
    unknown.user = "no-such";
    freeze(peer);
    assert_refused(peer, unknown, ENOENT, WIRE_ABOUT_USER, "no-such");
    claim(peer, rehearsal);
    claim(peer, good);
    thaw(peer);
    assert_says(peer, "hostname", "box-1\n");
}

static void
run_as_root(Peer *peer, const char *script)
{
    const Answer *answer = peer_wait_end(peer, peer_shell(peer, NULL, script));

    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(answer->status, ==, 0);
}

/* Whether the user exists is found out by a child of the agent, when it starts a process. */
static void
test_anew_user(Peer *peer)
{
    Claim unknown = good;
    const Answer *answer;

    unknown.user = "no-such";
    claim(peer, good);
    freeze(peer);
    claim(peer, unknown);
    thaw(peer);
    answer = peer_wait_end(peer, peer_shell(peer, &(Start){.user = ""}, "true"));
    g_assert_cmpint(answer->error, ==, ENOENT);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_USER);
    g_assert_cmpstr(answer->name, ==, "no-such");
}

static void
cover_with_fifo(Peer *peer, const char *path)
{
    g_autofree char *script = g_strdup_printf("mount --bind /mnt/fifo %s", path);

    run_as_root(peer, script);
}

/* Root of the guest has put FIFOs in the place of files: the agent fails, but does not wait. */
static void
test_anew_fifos(Peer *peer)
{
    static const char *const files[][2] = {
        {"/etc/hosts", "hosts"}, {"/etc/hostname", "host name"}, {"/etc/machine-id", "machine id"}};

    claim(peer, good);
    run_as_root(peer, "mount -t tmpfs none /mnt && mkfifo /mnt/fifo");
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        cover_with_fifo(peer, files[i][0]);
        freeze(peer);
        assert_refused(peer, good, ENXIO, WIRE_ABOUT_SYSTEM, files[i][1]);
        thaw(peer);
    }
    run_as_root(peer, "umount /etc/hosts /etc/hostname /etc/machine-id");
    /* This one is not read at all. */
    cover_with_fifo(peer, "/etc/passwd");
    freeze(peer);
    claim(peer, good);
}

/* Lines that users have added remain. A file that is too large is not changed. */
static void
test_anew_hosts(Peer *peer)
{
    static const char make[] = "(echo '127.0.1.1 old'; head -c %d /dev/zero | tr '\\0' x; echo) "
                               ">/etc/hosts";
    static const char look[] =
        "wc -c </etc/hosts; grep -c xx /etc/hosts; grep 127.0.1.1 /etc/hosts";
    const int line = (int)strlen("127.0.1.1 old\n") + 1; /* and the end of the long line */
    g_autofree char *largest = g_strdup_printf(make, 65536 - line);
    g_autofree char *too_large = g_strdup_printf(make, 65537 - line);
    Claim other = good;

    other.hostname = "box-2";
    claim(peer, good);
    run_as_root(peer, largest);
    freeze(peer);
    claim(peer, other);
    thaw(peer);
    assert_says(peer, look, "65538\n1\n127.0.1.1\tbox-2\n");
    run_as_root(peer, too_large);
    freeze(peer);
    claim(peer, other);
    thaw(peer);
    assert_says(peer, look, "65537\n1\n127.0.1.1 old\n");
}

/* --- bounds --- */

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
        {"effects", test_effects},
        {"second", test_second},
        {"rehearsal", test_rehearsal},
        {"anew", test_anew},
        {"anew-only-frozen", test_anew_only_frozen},
        {"anew-refused", test_anew_refused},
        {"first-while-frozen", test_first_while_frozen},
        {"anew-user", test_anew_user},
        {"anew-fifos", test_anew_fifos},
        {"anew-hosts", test_anew_hosts},
        {"bounds", test_bounds},
        {"cut-off", test_cut_off},
        {"quiesce", test_quiesce},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("claim", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
