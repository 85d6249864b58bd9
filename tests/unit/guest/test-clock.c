/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock: what is sent, and when nothing is. The test is the agent: it hears frames and answers. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "claim.h"
#include "stream.h"

#define LONGER_THAN_LATE_MS 120

typedef struct {
    GuestLink *link;
    int agent;
    GByteArray *heard;
    gboolean is_greeted, is_lost;
} Fixture;

/* --- the agent's side --- */

static void
hear(Fixture *f)
{
    guint8 bytes[4096];
    gssize n = recv(f->agent, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0)
        g_byte_array_append(f->heard, bytes, (guint)n);
    else
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

/* The next frame, which must be of that type, is taken: its number. */
static guint32
expect(Fixture *f, WireType type, guint64 *ret_value)
{
    WireHeader header;
    const guint8 *payload;
    WireReader r;
    gsize size;

    while (wire_frame_get(f->heard->data, f->heard->len, &header, &payload, &size) == 0)
        hear(f);
    g_assert_cmpuint(header.type, ==, type);
    wire_reader_init(&r, payload, header.length);
    if (ret_value) {
        *ret_value = wire_get_u64(&r);
        g_assert_cmpint(wire_reader_end(&r), ==, 0);
    }
    g_byte_array_remove_range(f->heard, 0, (guint)size);
    return header.stream;
}

static void
answer(Fixture *f, WireWriter *w, guint32 stream, WireType type)
{
    gssize size = wire_frame_end(w, stream, type, WIRE_STDIN);

    g_assert_cmpint(send(f->agent, w->data, (gsize)size, 0), ==, size);
}

static void
answer_empty(Fixture *f, guint32 stream, WireType type)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    answer(f, &w, stream, type);
}

static void
greet(Fixture *f, guint32 version)
{
    const guint preamble = WIRE_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE;
    guint8 hello[64];
    WireWriter w;

    while (f->heard->len < preamble)
        hear(f);
    send(f->agent, f->heard->data + WIRE_PREAMBLE_PAD, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE, 0);
    g_byte_array_remove_range(f->heard, 0, preamble);
    wire_frame_begin(&w, hello, sizeof(hello));
    wire_put_u32(&w, version);
    wire_put_string(&w, "");
    wire_put_string(&w, "6.1");
    answer(f, &w, 0, WIRE_HELLO);
    while (!f->is_greeted)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

/* --- the host's side --- */

static void
on_lost(GuestLink *link, GuestLoss why, const char *message, gpointer data)
{
    Fixture *f = data;

    g_assert_cmpint(why, ==, GUEST_BROKE_PROTOCOL);
    f->is_lost = TRUE;
}

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *f = data;
    GError *error = NULL;

    g_assert_true(guest_link_greet_finish(f->link, result, &error));
    g_assert_no_error(error);
    f->is_greeted = TRUE;
}

static void
on_quiet(GObject *source, GAsyncResult *result, gpointer data)
{
    *(gboolean *)data = guest_link_quiesce_finish(NULL, result, NULL);
}

/* Whatever was to be sent was sent before the answer to this; another frame fails the test. */
static void
assert_nothing_sent(Fixture *f)
{
    gboolean is_done = FALSE;

    guest_link_quiesce_async(f->link, on_quiet, &is_done);
    answer_empty(f, expect(f, WIRE_QUIESCE, NULL), WIRE_OK);
    while (!is_done)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
    f->agent = fds[1];
    f->heard = g_byte_array_new();
    f->link = guest_link_new(fds[0], on_lost, f);
    guest_link_greet_async(f->link, 30, on_greeted, f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    guest_link_free(f->link, "the test is over");
    close(f->agent);
    g_byte_array_unref(f->heard);
}

/* One at a time, however often it is asked for. */
static void
test_once(Fixture *f, gconstpointer data)
{
    guint64 begin_ns, ns;
    guint32 number;

    greet(f, WIRE_VERSION);
    assert_nothing_sent(f);
    begin_ns = (guint64)g_get_real_time() * 1000;
    for (guint i = 0; i < 3; i++)
        guest_link_set_clock(f->link);
    number = expect(f, WIRE_CLOCK, &ns);
    g_assert_cmpuint(ns, >=, begin_ns);
    g_assert_cmpuint(ns, <=, (guint64)g_get_real_time() * 1000);
    assert_nothing_sent(f);
    answer_empty(f, number, WIRE_OK);
    assert_nothing_sent(f); /* in time: that was all */
    guest_link_set_clock(f->link);
    g_assert_cmpuint(expect(f, WIRE_CLOCK, NULL), >, number);
}

/* Asked for before the agent has greeted, as of a machine that is adopted while it stands still. */
static void
test_early(Fixture *f, gconstpointer data)
{
    guest_link_set_clock(f->link);
    greet(f, WIRE_VERSION);
    expect(f, WIRE_CLOCK, NULL);
    assert_nothing_sent(f);
}

static void
test_old(Fixture *f, gconstpointer data)
{
    guest_link_set_clock(f->link);
    greet(f, WIRE_VERSION_CLOCK - 1);
    guest_link_set_clock(f->link);
    assert_nothing_sent(f);
}

static void
test_stalled(Fixture *f, gconstpointer data)
{
    greet(f, WIRE_VERSION);
    guest_link_set_stalled(f->link, TRUE);
    guest_link_set_clock(f->link);
    assert_nothing_sent(f);
    guest_link_set_stalled(f->link, FALSE);
    assert_nothing_sent(f);
    guest_link_set_clock(f->link);
    expect(f, WIRE_CLOCK, NULL);
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* What was late is sent again, three times in all: its answer has to be late, so this takes time.
 */
static void
test_late(Fixture *f, gconstpointer data)
{
    greet(f, WIRE_VERSION);
    guest_link_set_clock(f->link);
    for (guint i = 0; i < 3; i++) {
        guint32 number = expect(f, WIRE_CLOCK, NULL);
        gboolean is_late = FALSE;

        g_timeout_add(LONGER_THAN_LATE_MS, on_time, &is_late);
        while (!is_late)
            g_main_context_iteration(NULL, /* may_block= */ TRUE);
        answer_empty(f, number, WIRE_OK);
    }
    assert_nothing_sent(f);
}

/* A guest that cannot set it goes on with the clock that it has. */
static void
test_error(Fixture *f, gconstpointer data)
{
    guint8 frame[128];
    WireWriter w;
    guint32 number;

    greet(f, WIRE_VERSION);
    guest_link_set_clock(f->link);
    number = expect(f, WIRE_CLOCK, NULL);
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, 22);
    wire_put_u32(&w, WIRE_ABOUT_REQUEST);
    wire_put_string(&w, "clock");
    wire_put_string(&w, "Invalid argument");
    answer(f, &w, number, WIRE_ERROR);
    assert_nothing_sent(f);
    guest_link_set_clock(f->link);
    expect(f, WIRE_CLOCK, NULL);
}

static void
test_malformed(Fixture *f, gconstpointer type)
{
    guint8 frame[64];
    WireWriter w;
    guint32 number;

    greet(f, WIRE_VERSION);
    guest_link_set_clock(f->link);
    number = expect(f, WIRE_CLOCK, NULL);
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, 1);
    answer(f, &w, number, GPOINTER_TO_UINT(type));
    while (!f->is_lost)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    guest_link_set_clock(f->link); /* means nothing any more */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, data)                                                                            \
    g_test_add("/clock/" #name "/" #data, Fixture, GUINT_TO_POINTER(data), set_up, test_##name,    \
               tear_down)
    ADD(once, 0);
    ADD(early, 0);
    ADD(old, 0);
    ADD(stalled, 0);
    ADD(late, 0);
    ADD(error, 0);
    ADD(malformed, WIRE_OK);
    ADD(malformed, WIRE_ERROR);
    ADD(malformed, WIRE_STARTED);
    return g_test_run();
}
