/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-priority: a new stream goes before bulk transfers, for a limited time and amount. */
#include <sys/socket.h>

#include "scripted-agent.h"

typedef struct {
    ScriptedAgent agent;
    GuestStream *bulk;
    guint32 bulk_number;
} Fixture;

static const char *const command[] = {"true", NULL};
static const guint8 block[WIRE_DATA_MAX];

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

static GuestStream *
start(Fixture *f, guint32 *ret_number)
{
    GuestStream *stream = guest_stream_start(f->agent.link, &(GuestStart){.argv = command}, &events,
                                             /* data= */ NULL, /* error= */ NULL);

    *ret_number = agent_expect(&f->agent, WIRE_START).stream;
    agent_send_started(&f->agent, *ret_number);
    return stream;
}

static void
end(Fixture *f, guint32 number)
{
    agent_send_exited(&f->agent, number, WIRE_EXIT_STATUS, 0);
}

static void
write_block(GuestStream *stream)
{
    guest_stream_write(stream, WIRE_STDIN, block, WIRE_DATA_MAX);
}

static void
write_byte(GuestStream *stream)
{
    guest_stream_write(stream, WIRE_STDIN, block, 1);
}

static guint32
expect_data(Fixture *f)
{
    return agent_expect(&f->agent, WIRE_DATA).stream;
}

/* Writes a window to the bulk stream, and gives as much credit back. */
static void
move_window(Fixture *f)
{
    WireHeader header;

    for (gsize n = 0; n < WIRE_WINDOW; n += WIRE_DATA_MAX)
        write_block(f->bulk);
    for (gsize n = 0; n < WIRE_WINDOW; n += header.length)
        header = agent_expect(&f->agent, WIRE_DATA);
    agent_send_credit(&f->agent, header.stream, WIRE_STDIN, WIRE_WINDOW);
    write_byte(f->bulk);
    expect_data(f); /* the credit has arrived */
    agent_send_credit(&f->agent, header.stream, WIRE_STDIN, 1);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    agent_set_up(&f->agent);
    agent_greet(&f->agent, WIRE_VERSION);
    f->bulk = start(f, &f->bulk_number);
    move_window(f); /* from now on it is a bulk transfer */
    move_window(f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_assert_false(f->agent.is_lost);
    agent_tear_down(&f->agent);
}

static void
test_upload(Fixture *f, gconstpointer data)
{
    guint32 small;
    GuestStream *stream = start(f, &small);

    write_byte(f->bulk);
    write_byte(stream);
    g_assert_cmpuint(expect_data(f), ==, small);
    end(f, small);
    g_assert_cmpuint(expect_data(f), ==, f->bulk_number);
}

static void
test_download(Fixture *f, gconstpointer data)
{
    guint32 small;
    GuestStream *stream = start(f, &small);

    agent_send_data(&f->agent, f->bulk_number, WIRE_STDOUT, block, sizeof(block));
    guest_stream_signal(stream, 1);
    agent_expect(&f->agent, WIRE_SIGNAL);
    agent_send_data(&f->agent, f->bulk_number, WIRE_STDOUT, block, sizeof(block));
    end(f, small);
    g_assert_cmpuint(agent_expect(&f->agent, WIRE_CREDIT).stream, ==, f->bulk_number);
}

/* A stream that does not end loses its priority after a time. */
static void
test_time_limit(Fixture *f, gconstpointer data)
{
    guint32 small;

    start(f, &small);
    write_byte(f->bulk);
    g_assert_cmpuint(expect_data(f), ==, f->bulk_number);
}

/* The next stream gets no priority before the bulk transfer has moved a window. */
static void
test_not_again(Fixture *f, gconstpointer data)
{
    guint32 first, second, third;

    start(f, &first);
    write_byte(f->bulk);
    end(f, first);
    expect_data(f);

    GuestStream *stream = start(f, &second);
    write_byte(f->bulk);
    write_byte(stream);
    g_assert_cmpuint(expect_data(f), ==, f->bulk_number);
    g_assert_cmpuint(expect_data(f), ==, second);

    agent_send_credit(&f->agent, f->bulk_number, WIRE_STDIN, 2);
    move_window(f);
    stream = start(f, &third);
    write_byte(f->bulk);
    write_byte(stream);
    g_assert_cmpuint(expect_data(f), ==, third);
}

/* The socket holds a frame already, without a turn of the main loop: so no timer has run. */
static guint32
expect_data_now(Fixture *f)
{
    guint8 byte;

    if (f->agent.received->len == 0)
        g_assert_cmpint(recv(f->agent.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), ==, 1);
    return expect_data(f);
}

/* A stream that becomes a bulk transfer itself loses its priority. */
static void
test_two_bulks(Fixture *f, gconstpointer data)
{
    guint32 second;
    GuestStream *stream = start(f, &second);

    write_byte(f->bulk);
    for (gsize n = WIRE_DATA_MAX; n < WIRE_WINDOW; n += WIRE_DATA_MAX) {
        write_block(stream);
        g_assert_cmpuint(expect_data_now(f), ==, second);
    }
    write_block(stream);
    g_assert_cmpuint(expect_data_now(f) + expect_data_now(f), ==, second + f->bulk_number);
}

/* No stream has moved much, so none waits. */
static void
test_small_ones(Fixture *f, gconstpointer data)
{
    guint32 first, second;
    GuestStream *stream;

    f->bulk = start(f, &first);
    stream = start(f, &second);
    for (gsize n = WIRE_DATA_MAX; n < WIRE_WINDOW; n += WIRE_DATA_MAX) {
        write_block(f->bulk);
        g_assert_cmpuint(expect_data(f), ==, first);
    }
    write_byte(stream);
    g_assert_cmpuint(expect_data(f), ==, second);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/priority/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("upload", test_upload);
    ADD("download", test_download);
    ADD("time-limit", test_time_limit);
    ADD("not-again", test_not_again);
    ADD("two-bulks", test_two_bulks);
    ADD("small-ones", test_small_ones);
    return g_test_run();
}
