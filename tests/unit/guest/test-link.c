/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-link: a link greets, respects windows, ends once, and is closed by frames that violate the
 * protocol. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "error.h"
#include "guest-error.h"
#include "scripted-agent.h"

typedef struct {
    ScriptedAgent agent;
    GuestStream *stream;
    guint32 number;
    gsize received;
    gboolean gives_credit, frees_link;
    gboolean is_started, is_answered;
    guint ended;
    GuestExit exit;
    GError *error; /* of the last stream or request that ended */
} Fixture;

static const char *const command[] = {"true", NULL};
static const guint8 block[WIRE_DATA_MAX + 1];

/* --- the host's side --- */

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    Fixture *f = data;

    f->is_started = TRUE;
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    Fixture *f = data;

    f->received += size;
    if (f->gives_credit)
        guest_stream_credit(stream, channel, size);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    Fixture *f = data;

    g_assert_true((how != NULL) != (error != NULL));
    f->ended++;
    if (how)
        f->exit = *how;
    g_clear_error(&f->error);
    f->error = error ? g_error_copy(error) : NULL;
    guest_stream_free(stream);
    if (f->frees_link)
        guest_link_free(g_steal_pointer(&f->agent.link), "freed by a handler");
}

static const GuestStreamEvents events = {on_started, on_received, on_ended};

static void
on_quiesced(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *f = data;

    g_clear_error(&f->error);
    guest_link_quiesce_finish(NULL, result, &f->error);
    f->is_answered = TRUE;
}

static GuestStream *
open_stream(Fixture *f, GError **error)
{
    return guest_stream_start(f->agent.link, &(GuestStart){.argv = command}, &events, f, error);
}

static void
ask(Fixture *f)
{
    f->stream = open_stream(f, /* error= */ NULL);
    f->number = agent_expect(&f->agent, WIRE_START).stream;
}

static void
start(Fixture *f)
{
    ask(f);
    agent_send_started(&f->agent, f->number);
    agent_wait(&f->is_started);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    agent_set_up(&f->agent);
}

static void
set_up_greeted(Fixture *f, gconstpointer data)
{
    set_up(f, data);
    agent_greet(&f->agent, WIRE_VERSION);
    g_assert_no_error(f->agent.greeting_error);
}

static void
set_up_started(Fixture *f, gconstpointer data)
{
    set_up_greeted(f, data);
    start(f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    agent_tear_down(&f->agent);
    g_clear_error(&f->error);
}

static void
assert_lost(Fixture *f, GuestLoss loss)
{
    agent_wait(&f->agent.is_lost);
    g_assert_cmpint(f->agent.loss, ==, loss);
}

static void
assert_not_lost(Fixture *f)
{
    agent_expect_nothing(&f->agent);
    g_assert_false(f->agent.is_lost);
}

/* --- the greeting --- */

static void
test_greeting(Fixture *f, gconstpointer version)
{
    agent_greet(&f->agent, GPOINTER_TO_UINT(version));
    g_assert_no_error(f->agent.greeting_error);
    g_assert_cmpstr(guest_link_sandbox_id(f->agent.link), ==, "abc");
}

static void
test_version(Fixture *f, gconstpointer version)
{
    agent_greet(&f->agent, GPOINTER_TO_UINT(version));
    g_assert_error(f->agent.greeting_error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED);
}

/* What an earlier connection left, and half of a magic, is discarded. */
static void
test_leftovers(Fixture *f, gconstpointer data)
{
    agent_send_started(&f->agent, 7);
    g_assert_cmpint(write(f->agent.fd, wire_magic, WIRE_MAGIC_SIZE), ==, WIRE_MAGIC_SIZE);
    agent_greet(&f->agent, WIRE_VERSION);
    g_assert_no_error(f->agent.greeting_error);
}

static void
test_frame_before_hello(Fixture *f, gconstpointer data)
{
    agent_read_preamble(&f->agent);
    agent_send_empty(&f->agent, 1, WIRE_PONG);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
    g_assert_false(f->agent.is_greeted);
    guest_link_close(f->agent.link, "closed");
    agent_wait(&f->agent.is_greeted);
    g_assert_error(f->agent.greeting_error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
}

static void
test_second_hello(Fixture *f, gconstpointer data)
{
    agent_send_hello(&f->agent, WIRE_VERSION);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_malformed_hello(Fixture *f, gconstpointer data)
{
    agent_read_preamble(&f->agent);
    agent_send_empty(&f->agent, 0, WIRE_HELLO);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_gone(Fixture *f, gconstpointer data)
{
    close(f->agent.fd);
    f->agent.fd = -1;
    assert_lost(f, GUEST_GONE);
}

/* --- frames that break the protocol --- */

static void
test_unknown_stream(Fixture *f, gconstpointer data)
{
    agent_send_started(&f->agent, f->number + 1);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

/* The last frames of a stream that the host has closed may still arrive. */
static void
test_closed_stream(Fixture *f, gconstpointer data)
{
    guest_stream_free(f->stream);
    agent_expect(&f->agent, WIRE_CLOSE);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    agent_send_exited(&f->agent, f->number, WIRE_EXIT_STATUS, 0);
    assert_not_lost(f);
    g_assert_cmpuint(f->ended, ==, 0);
}

/* Types that an agent must not send on a stream, and types that do not exist. */
static void
test_wrong_type(Fixture *f, gconstpointer type)
{
    agent_send_empty(&f->agent, f->number, GPOINTER_TO_UINT(type));
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_data_on_stdin(Fixture *f, gconstpointer data)
{
    agent_send_data(&f->agent, f->number, WIRE_STDIN, block, 1);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_exit(Fixture *f, gconstpointer data)
{
    agent_send_exited(&f->agent, f->number, WIRE_EXIT_OUT_OF_MEMORY, 255);
    assert_not_lost(f);
    g_assert_cmpuint(f->ended, ==, 1);
    g_assert_cmpint(f->exit.how, ==, WIRE_EXIT_OUT_OF_MEMORY);
    g_assert_cmpuint(f->exit.status, ==, 255);
}

static void
test_wrong_exit(Fixture *f, gconstpointer data)
{
    agent_send_exited(&f->agent, f->number, _WIRE_EXIT_MAX, 0);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_wrong_status(Fixture *f, gconstpointer data)
{
    agent_send_exited(&f->agent, f->number, WIRE_EXIT_STATUS, 256);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_error(Fixture *f, gconstpointer data)
{
    ask(f);
    agent_send_error(&f->agent, f->number, ENOENT, WIRE_ABOUT_PROGRAM);
    assert_not_lost(f);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROGRAM);
    g_assert_cmpstr(f->error->message, ==, "program 'name': No such file or directory");
}

static void
test_wrong_error(Fixture *f, gconstpointer data)
{
    ask(f);
    agent_send_error(&f->agent, f->number, ENOENT, _WIRE_ABOUT_MAX);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

static void
test_wrong_answer(Fixture *f, gconstpointer data)
{
    guest_link_quiesce_async(f->agent.link, on_quiesced, f);
    agent_send_started(&f->agent, agent_expect(&f->agent, WIRE_QUIESCE).stream);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
    guest_link_close(f->agent.link, "closed");
    agent_wait(&f->is_answered);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
}

static void
test_exited_twice(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < 2; i++)
        agent_send_exited(&f->agent, f->number, WIRE_EXIT_STATUS, 0);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
    g_assert_cmpuint(f->ended, ==, 1);
}

static void
test_exit_before_start(Fixture *f, gconstpointer data)
{
    ask(f);
    agent_send_exited(&f->agent, f->number, WIRE_EXIT_STATUS, 0);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
    g_assert_cmpuint(f->ended, ==, 0);
}

static void
test_answer_twice(Fixture *f, gconstpointer data)
{
    guint32 number;

    guest_link_quiesce_async(f->agent.link, on_quiesced, f);
    number = agent_expect(&f->agent, WIRE_QUIESCE).stream;
    agent_send_empty(&f->agent, number, WIRE_OK);
    agent_wait(&f->is_answered);
    g_assert_no_error(f->error);
    agent_send_empty(&f->agent, number, WIRE_OK);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

/* An agent that has answered a later request has read the CLOSE. */
static void
test_data_of_closed_stream(Fixture *f, gconstpointer data)
{
    guest_stream_free(f->stream);
    agent_expect(&f->agent, WIRE_CLOSE);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    assert_not_lost(f);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

/* The guest is asked whether it knows that many streams are closed, and its answer makes room for
 * others. Without an answer, new streams are refused in the end. */
static void
test_closed_streams(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint32 ping = 0;
    guint opened = 0;

    for (; opened < 2 * WIRE_STREAMS_MAX; opened++) {
        ask(f);
        guest_stream_free(f->stream);
        agent_expect(&f->agent, WIRE_CLOSE);
        if (opened == 256)
            ping = agent_expect(&f->agent, WIRE_PING).stream;
    }
    agent_send_empty(&f->agent, ping, WIRE_PONG);
    agent_expect(&f->agent, WIRE_PING);
    for (opened = 0; (f->stream = open_stream(f, &error)); opened++) {
        agent_expect(&f->agent, WIRE_START);
        guest_stream_free(f->stream);
        agent_expect(&f->agent, WIRE_CLOSE);
    }
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_assert_cmpuint(opened, >, 2 * WIRE_STREAMS_MAX);
    g_assert_cmpuint(opened, <, 4 * WIRE_STREAMS_MAX);
}

/* A tag contains the directory of a context. */
static void
test_long_tag(Fixture *f, gconstpointer data)
{
    g_autofree char *tag = g_strnfill(4000, 'a'), *received = NULL;
    g_autoptr(GError) error = NULL;
    GuestStream *stream =
        guest_stream_attach(f->agent.link, tag, START_CONTROL, &events, f, &error);
    WireReader r;

    g_assert_no_error(error);
    g_assert_nonnull(stream);
    agent_expect(&f->agent, WIRE_ATTACH);
    r = agent_fields(&f->agent);
    received = wire_get_string(&r, 8192);
    g_assert_cmpstr(received, ==, tag);
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
}

/* --- windows --- */

static void
send_window(Fixture *f)
{
    for (gsize n = 0; n < WIRE_WINDOW; n += WIRE_DATA_MAX) {
        agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, WIRE_DATA_MAX);
        while (f->received < n + WIRE_DATA_MAX)
            g_main_context_iteration(NULL, /* may_block= */ TRUE);
    }
}

static void
test_window(Fixture *f, gconstpointer data)
{
    send_window(f);
    agent_send_data(&f->agent, f->number, WIRE_STDERR, block, 1); /* has its own window */
    assert_not_lost(f);
    g_assert_cmpuint(f->received, ==, WIRE_WINDOW + 1);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
    g_assert_cmpuint(f->received, ==, WIRE_WINDOW + 1);
}

static void
test_credit(Fixture *f, gconstpointer data)
{
    f->gives_credit = TRUE;
    f->agent.ignores_credit = TRUE;
    send_window(f);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    assert_not_lost(f);
    g_assert_cmpuint(f->received, ==, WIRE_WINDOW + 1);
}

/* The host sends no more than a window, and the guest must not give more credit than that. */
static void
test_credit_of_guest(Fixture *f, gconstpointer data)
{
    for (gsize n = 0; n < WIRE_WINDOW + WIRE_DATA_MAX; n += WIRE_DATA_MAX)
        guest_stream_write(f->stream, WIRE_STDIN, block, WIRE_DATA_MAX);
    for (gsize n = 0; n < WIRE_WINDOW; n += WIRE_DATA_MAX)
        agent_expect(&f->agent, WIRE_DATA);
    assert_not_lost(f);
    agent_send_credit(&f->agent, f->number, WIRE_STDIN, 1);
    g_assert_cmpuint(agent_expect(&f->agent, WIRE_DATA).length, ==, 1);
    agent_send_credit(&f->agent, f->number, WIRE_STDIN, WIRE_WINDOW);
    agent_expect(&f->agent, WIRE_DATA);
    agent_send_credit(&f->agent, f->number, WIRE_STDIN, WIRE_DATA_MAX);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

/* --- bounds --- */

static void
test_streams(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < WIRE_STREAMS_MAX; i++) {
        g_assert_nonnull(open_stream(f, &error));
        f->number = agent_expect(&f->agent, WIRE_START).stream;
    }
    g_assert_null(open_stream(f, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_clear_error(&error);
    agent_send_started(&f->agent, f->number);
    agent_send_exited(&f->agent, f->number, WIRE_EXIT_STATUS, 0);
    while (f->ended == 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_nonnull(open_stream(f, &error));
    g_assert_no_error(error);
}

/* The guest reads nothing: the host refuses new streams before its memory grows without a bound. */
static void
test_unsent(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(WIRE_PAYLOAD_MAX / 2, 'a');
    const char *const argv[] = {"true", text, NULL};
    g_autoptr(GError) error = NULL;
    gsize sent = 0;

    while (guest_stream_start(f->agent.link, &(GuestStart){.argv = argv}, &events, f, &error))
        sent += strlen(text);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_assert_cmpuint(sent, >, 8u * 1024 * 1024);
    g_assert_cmpuint(sent, <, 10u * 1024 * 1024);
}

static void
test_too_long(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(WIRE_PAYLOAD_MAX, 'a');
    const char *const argv[] = {"true", text, NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(
        guest_stream_start(f->agent.link, &(GuestStart){.argv = argv}, &events, f, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    assert_not_lost(f);
}

/* --- the end --- */

static void
test_close(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    start(f);
    guest_link_quiesce_async(f->agent.link, on_quiesced, f);
    guest_link_close(f->agent.link, "closed");
    g_assert_cmpuint(f->ended, ==, 2);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_assert_true(guest_error_is_end_of_link(f->error));
    g_assert_cmpstr(f->error->message, ==, "closed");
    agent_wait(&f->is_answered);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_assert_false(f->agent.is_lost); /* whoever closes a link knows */

    g_assert_null(open_stream(f, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    f->is_answered = FALSE;
    guest_link_quiesce_async(f->agent.link, on_quiesced, f);
    agent_wait(&f->is_answered);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
}

static void
test_leave(Fixture *f, gconstpointer data)
{
    guest_link_leave(g_steal_pointer(&f->agent.link));
    g_assert_cmpuint(f->ended, ==, 1);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING);
    g_assert_true(guest_error_is_end_of_link(f->error));
}

/* A handler frees the link while frames for other streams are still to be handled. */
static void
test_free_in_handler(Fixture *f, gconstpointer data)
{
    guint32 first = f->number;

    start(f);
    f->frees_link = TRUE;
    agent_send_exited(&f->agent, first, WIRE_EXIT_STATUS, 0);
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, block, 1);
    while (f->agent.link)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpuint(f->ended, ==, 2);
    g_assert_cmpuint(f->received, ==, 0);
    g_assert_error(f->error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
}

/* A guest that is silent while an answer is due is asked; the answer must be empty. */
static void
test_ping(Fixture *f, gconstpointer data)
{
    guint32 number = agent_expect(&f->agent, WIRE_PING).stream;
    guint8 frame[64];
    WireWriter w;

    agent_send_empty(&f->agent, number, WIRE_PONG);
    assert_not_lost(f);
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, 1);
    agent_send(&f->agent, &w, number, WIRE_PONG, WIRE_STDIN);
    assert_lost(f, GUEST_BROKE_PROTOCOL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, data, set_up_function)                                                           \
    g_test_add("/link/" #name "/" #data, Fixture, GUINT_TO_POINTER(data), set_up_function,         \
               test_##name, tear_down)
    ADD(greeting, WIRE_VERSION, set_up);
    ADD(greeting, WIRE_VERSION_OLDEST, set_up);
    ADD(version, WIRE_VERSION + 1, set_up);
    ADD(version, WIRE_VERSION_OLDEST - 1, set_up);
    ADD(leftovers, 0, set_up);
    ADD(frame_before_hello, 0, set_up);
    ADD(second_hello, 0, set_up_greeted);
    ADD(malformed_hello, 0, set_up);
    ADD(gone, 0, set_up_greeted);
    ADD(unknown_stream, 0, set_up_started);
    ADD(closed_stream, 0, set_up_started);
    ADD(wrong_type, WIRE_OK, set_up_started);
    ADD(wrong_type, WIRE_START, set_up_started);
    ADD(wrong_type, 200, set_up_started);
    ADD(data_on_stdin, 0, set_up_started);
    ADD(exit, 0, set_up_started);
    ADD(wrong_exit, 0, set_up_started);
    ADD(wrong_status, 0, set_up_started);
    ADD(error, 0, set_up_greeted);
    ADD(wrong_error, 0, set_up_greeted);
    ADD(exited_twice, 0, set_up_started);
    ADD(exit_before_start, 0, set_up_greeted);
    ADD(answer_twice, 0, set_up_greeted);
    ADD(data_of_closed_stream, 0, set_up_started);
    ADD(closed_streams, 0, set_up_greeted);
    ADD(long_tag, 0, set_up_greeted);
    ADD(wrong_answer, 0, set_up_greeted);
    ADD(window, 0, set_up_started);
    ADD(credit, 0, set_up_started);
    ADD(credit_of_guest, 0, set_up_started);
    ADD(streams, 0, set_up_greeted);
    ADD(unsent, 0, set_up_greeted);
    ADD(too_long, 0, set_up_greeted);
    ADD(close, 0, set_up_started);
    ADD(leave, 0, set_up_started);
    ADD(free_in_handler, 0, set_up_started);
    ADD(ping, 0, set_up_started);
    return g_test_run();
}
