/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-turns: calls of users, and of one user's connections, are begun in turn. */
#include <string.h>

#include "turns.h"

typedef struct {
    Turns *turns;
    GString *begun;  /* the letters of the connections, in order */
    GString *closed; /* letters of connections whose calls may not be begun */
    guint refused;
} Fixture;

static gboolean
may_begin(const Peer *peer, gpointer data)
{
    return !strchr(((Fixture *)data)->closed->str, *peer->name);
}

static void
on_begin(Peer *peer, gpointer call, gpointer data)
{
    g_string_append(((Fixture *)data)->begun, peer->name);
    g_object_unref(call);
}

static void
on_refused(Peer *peer, guint32 serial, gpointer data)
{
    g_assert_cmpuint(serial, ==, 7);
    ((Fixture *)data)->refused++;
}

static void
set_up(Fixture *f, gconstpointer data)
{
    static const TurnsEvents events = {may_begin, on_begin, on_refused};

    f->turns = turns_new(&events, f);
    f->begun = g_string_new(NULL);
    f->closed = g_string_new(NULL);
    f->refused = 0;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    turns_free(f->turns);
    g_string_free(f->begun, TRUE);
    g_string_free(f->closed, TRUE);
}

static Peer *
peer_new(const char *name, guint32 uid)
{
    Peer *peer = g_rc_box_new0(Peer);

    peer->name = g_strdup(name);
    peer->viewer.uid = uid;
    peer->left = g_cancellable_new();
    return peer;
}

static void
add_large(Fixture *f, Peer *peer, guint count, gsize size)
{
    for (guint i = 0; i < count; i++) {
        const TurnsCall call = {.object = g_cancellable_new(), /* any object */
                                .serial = 7,
                                .is_answered = TRUE,
                                .size = size};

        if (turns_add(f->turns, peer, &call))
            on_begin(peer, call.object, f);
    }
}

static void
add(Fixture *f, Peer *peer, guint count)
{
    add_large(f, peer, count, 1);
}

static void
assert_begun(Fixture *f, const char *expected)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpstr(f->begun->str, ==, expected);
}

static void
test_users(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 2), c = peer_new("c", 3);

    add(f, a, 1);
    g_assert_cmpstr(f->begun->str, ==, "a"); /* nobody waits: at once */
    add(f, a, 8);
    add(f, b, 3);
    g_assert_cmpstr(f->begun->str, ==, "ab");
    add(f, c, 1);
    g_assert_cmpstr(f->begun->str, ==, "abc");
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(f->begun->len, ==, 13);
    /* In each of two turns, one of each; the order of users in a turn is not defined. */
    g_assert_true(g_str_has_prefix(f->begun->str + 3, "ab") ||
                  g_str_has_prefix(f->begun->str + 3, "ba"));
    g_assert_true(g_str_has_prefix(f->begun->str + 5, "ab") ||
                  g_str_has_prefix(f->begun->str + 5, "ba"));
    g_assert_cmpstr(f->begun->str + 7, ==, "aaaaaa");
}

static void
test_connections_of_a_user(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 1);

    add(f, a, 4);
    add(f, b, 2);
    assert_begun(f, "aababa");
}

static void
test_closed(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 1);

    g_string_assign(f->closed, "a");
    add(f, a, 2);
    add(f, b, 2);
    assert_begun(f, "bb");
    g_string_assign(f->closed, "");
    turns_resume(f->turns);
    assert_begun(f, "bbaa");
}

static void
test_left(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 1);

    add(f, a, 3);
    add(f, b, 2);
    g_cancellable_cancel(a->left);
    assert_begun(f, "abb");
}

/* Beyond the bounds, calls are refused, in order. */
static void
test_bounds(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 2);

    add(f, a, TURNS_CALLS_MAX + 1000);
    g_assert_cmpuint(f->refused, ==, 0); /* in their turn */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(f->begun->len + f->refused, ==, TURNS_CALLS_MAX + 1000);
    g_assert_cmpuint(f->begun->len, >, TURNS_CALLS_MAX);
    g_assert_cmpuint(f->refused, >, 0);
    f->refused = 0;
    g_string_assign(f->begun, "");
    g_string_assign(f->closed, "b");
    add_large(f, b, 5, TURNS_SIZE_MAX / 4);
    g_string_assign(f->closed, "");
    turns_resume(f->turns);
    assert_begun(f, "bbbb");
    g_assert_cmpuint(f->refused, ==, 1);
}

/* While the main loop never rests, turns are taken all the same. */
static void
test_flood(Fixture *f, gconstpointer data)
{
    g_autoptr(Peer) a = peer_new("a", 1), b = peer_new("b", 2);
    gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    add(f, b, 2);
    while (f->begun->len < 4) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        add(f, a, 1);
    }
    g_assert_nonnull(strchr(strchr(f->begun->str, 'b') + 1, 'b'));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    TEST("/turns/users", test_users);
    TEST("/turns/connections-of-a-user", test_connections_of_a_user);
    TEST("/turns/closed", test_closed);
    TEST("/turns/left", test_left);
    TEST("/turns/bounds", test_bounds);
    TEST("/turns/flood", test_flood);
    return g_test_run();
}
