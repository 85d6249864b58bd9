/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* way: who waits for whom. The test is the agent: it hears frames and answers. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "claim.h"
#include "stream.h"

typedef struct {
    GuestLink *link;
    int agent;
    GByteArray *heard;
    GuestStream *bulk;
    gboolean is_sent; /* what is expected has been sent already */
} Fixture;

static const char *const command[] = {"true", NULL};
static const guint8 block[WIRE_DATA_MAX];

/* --- the agent's side --- */

/* Until `heard` begins with a whole frame of that type, which is taken from it. */
static WireHeader
expect(Fixture *f, WireType type)
{
    WireHeader header;
    const guint8 *payload;
    gsize size;
    int r;

    while ((r = wire_frame_get(f->heard->data, f->heard->len, &header, &payload, &size)) == 0) {
        guint8 bytes[4096];
        gssize n = recv(f->agent, bytes, sizeof(bytes), MSG_DONTWAIT);

        g_assert_true(n > 0 || !f->is_sent);
        if (n > 0)
            g_byte_array_append(f->heard, bytes, (guint)n);
        else
            g_main_context_iteration(NULL, /* may_block= */ TRUE);
    }
    g_assert_cmpint(r, ==, 1);
    g_assert_cmpuint(header.type, ==, type);
    g_byte_array_remove_range(f->heard, 0, (guint)size);
    return header;
}

static void
answer(Fixture *f, WireWriter *w, guint32 stream, WireType type, WireChannel channel)
{
    gssize size = wire_frame_end(w, stream, type, channel);

    g_assert_cmpint(send(f->agent, w->data, (gsize)size, 0), ==, size);
}

static void
answer_started(Fixture *f, guint32 stream)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, 1);
    answer(f, &w, stream, WIRE_STARTED, WIRE_STDIN);
}

static void
answer_exited(Fixture *f, guint32 stream)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, WIRE_EXIT_STATUS);
    wire_put_u32(&w, 0);
    for (guint i = 0; i < 3; i++)
        wire_put_u64(&w, 0);
    answer(f, &w, stream, WIRE_EXITED, WIRE_STDIN);
}

static void
answer_credit(Fixture *f, guint32 stream, guint32 bytes)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, bytes);
    answer(f, &w, stream, WIRE_CREDIT, WIRE_STDIN);
}

static void
answer_data(Fixture *f, guint32 stream)
{
    guint8 frame[WIRE_DATA_MAX + 64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    memcpy(w.data + w.used, block, sizeof(block));
    w.used += sizeof(block);
    answer(f, &w, stream, WIRE_DATA, WIRE_STDOUT);
}

static void
greet(Fixture *f)
{
    guint8 preamble[WIRE_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE], hello[64];
    WireWriter w;

    for (gsize n = 0; n < sizeof(preamble);) {
        gssize r = recv(f->agent, preamble + n, sizeof(preamble) - n, MSG_DONTWAIT);

        if (r > 0)
            n += (gsize)r;
        else
            g_main_context_iteration(NULL, /* may_block= */ TRUE);
    }
    send(f->agent, preamble + WIRE_PREAMBLE_PAD, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE, 0);
    wire_frame_begin(&w, hello, sizeof(hello));
    wire_put_u32(&w, WIRE_VERSION);
    wire_put_string(&w, "");
    wire_put_string(&w, "6.1");
    answer(f, &w, 0, WIRE_HELLO, WIRE_STDIN);
}

/* --- the host's side --- */

static void
on_lost(GuestLink *link, GuestLoss why, const char *message, gpointer data)
{
    g_error("lost: %s", message);
}

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer done)
{
    *(gboolean *)done = TRUE;
}

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    guest_stream_credit(stream, channel, size);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    guest_stream_free(stream);
}

static const GuestStreamEvents events = {on_started, on_received, on_ended};

/* Its number is *ret_number. */
static GuestStream *
start(Fixture *f, guint32 *ret_number)
{
    GuestStream *stream = guest_stream_start(f->link, &(GuestStart){.argv = command}, &events, NULL,
                                             /* error= */ NULL);

    *ret_number = expect(f, WIRE_START).stream;
    answer_started(f, *ret_number);
    return stream;
}

/* Writes a window to the bulk, which has credit for it or gets it, and gives as much back. */
static void
move_window(Fixture *f)
{
    WireHeader header;

    for (gsize n = 0; n < WIRE_WINDOW; n += WIRE_DATA_MAX)
        guest_stream_write(f->bulk, WIRE_STDIN, block, WIRE_DATA_MAX);
    for (gsize n = 0; n < WIRE_WINDOW; n += header.length)
        header = expect(f, WIRE_DATA);
    answer_credit(f, header.stream, WIRE_WINDOW);
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    expect(f, WIRE_DATA); /* the credit has arrived */
    answer_credit(f, header.stream, 1);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    gboolean greeted = FALSE;
    guint32 number;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    f->agent = fds[1];
    f->heard = g_byte_array_new();
    f->link = guest_link_new(fds[0], on_lost, NULL);
    guest_link_greet_async(f->link, /* timeout_s= */ 60, on_greeted, &greeted);
    greet(f);
    while (!greeted)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    f->bulk = start(f, &number);
    move_window(f); /* from now on it is bulk */
    move_window(f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    guest_link_free(f->link, "the test is over");
    close(f->agent);
    g_byte_array_unref(f->heard);
}

/* --- the cases --- */

static void
test_upload(Fixture *f, gconstpointer data)
{
    guint32 small;
    GuestStream *stream = start(f, &small);

    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    guest_stream_write(stream, WIRE_STDIN, block, 1);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, small);
    answer_exited(f, small);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, !=, small);
}

static void
test_download(Fixture *f, gconstpointer data)
{
    guint32 small;
    GuestStream *stream = start(f, &small);

    answer_data(f, small - 1);
    guest_stream_signal(stream, 1);
    expect(f, WIRE_SIGNAL);
    answer_data(f, small - 1);
    answer_exited(f, small);
    g_assert_cmpuint(expect(f, WIRE_CREDIT).stream, ==, small - 1);
}

/* It never ends, and yet the bulk goes on. */
static void
test_bound(Fixture *f, gconstpointer data)
{
    guint32 small;

    start(f, &small);
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, !=, small);
}

/* Whoever comes next has no way of its own before the bulk has moved a window. */
static void
test_not_again(Fixture *f, gconstpointer data)
{
    guint32 first, second, third;

    start(f, &first);
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    answer_exited(f, first);
    expect(f, WIRE_DATA);

    GuestStream *stream = start(f, &second);
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    guest_stream_write(stream, WIRE_STDIN, block, 1);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, !=, second);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, second);

    answer_credit(f, first - 1, 2);
    move_window(f);
    stream = start(f, &third);
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    guest_stream_write(stream, WIRE_STDIN, block, 1);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, third);
}

/* The new one turns out to be bulk too: from then on nobody waits. */
static void
test_two_bulks(Fixture *f, gconstpointer data)
{
    guint32 second;
    GuestStream *stream = start(f, &second);

    f->is_sent = TRUE;
    guest_stream_write(f->bulk, WIRE_STDIN, block, 1);
    for (gsize n = WIRE_DATA_MAX; n < WIRE_WINDOW; n += WIRE_DATA_MAX) {
        guest_stream_write(stream, WIRE_STDIN, block, WIRE_DATA_MAX);
        g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, second);
    }
    guest_stream_write(stream, WIRE_STDIN, block, WIRE_DATA_MAX);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream + expect(f, WIRE_DATA).stream, ==,
                     second + second - 1);
}

/* Little was moved: nobody waits. */
static void
test_small_ones(Fixture *f, gconstpointer data)
{
    guint32 first, second;
    GuestStream *stream;

    f->bulk = start(f, &first);
    stream = start(f, &second);
    for (gsize n = WIRE_DATA_MAX; n < WIRE_WINDOW; n += WIRE_DATA_MAX) {
        guest_stream_write(f->bulk, WIRE_STDIN, block, WIRE_DATA_MAX);
        g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, first);
    }
    guest_stream_write(stream, WIRE_STDIN, block, 1);
    g_assert_cmpuint(expect(f, WIRE_DATA).stream, ==, second);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/way/upload", Fixture, NULL, set_up, test_upload, tear_down);
    g_test_add("/way/download", Fixture, NULL, set_up, test_download, tear_down);
    g_test_add("/way/bound", Fixture, NULL, set_up, test_bound, tear_down);
    g_test_add("/way/not-again", Fixture, NULL, set_up, test_not_again, tear_down);
    g_test_add("/way/two-bulks", Fixture, NULL, set_up, test_two_bulks, tear_down);
    g_test_add("/way/small-ones", Fixture, NULL, set_up, test_small_ones, tear_down);
    return g_test_run();
}
