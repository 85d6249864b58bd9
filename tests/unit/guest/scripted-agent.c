/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scripted-agent: the other end of a link, played by the test. */
#include "scripted-agent.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "claim.h"

#define PREAMBLE_SIZE (WIRE_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE)

/* --- receiving --- */

static void
receive(ScriptedAgent *agent)
{
    guint8 bytes[4096];
    gssize n = recv(agent->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0)
        g_byte_array_append(agent->received, bytes, (guint)n);
    else
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

void
agent_wait(const gboolean *is_done)
{
    while (!*is_done)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

/* Takes the next frame. */
static WireHeader
take_frame(ScriptedAgent *agent)
{
    WireHeader header;
    const guint8 *payload;
    gsize size;
    int r;

    while ((r = wire_frame_get(agent->received->data, agent->received->len, &header, &payload,
                               &size)) == 0)
        receive(agent);
    g_assert_cmpint(r, ==, 1);
    g_clear_pointer(&agent->payload, g_bytes_unref);
    agent->payload = g_bytes_new(payload, header.length);
    g_byte_array_remove_range(agent->received, 0, (guint)size);
    return header;
}

WireHeader
agent_expect(ScriptedAgent *agent, WireType type)
{
    WireHeader header = take_frame(agent);

    while (agent->ignores_credit && header.type == WIRE_CREDIT)
        header = take_frame(agent);
    g_assert_cmpuint(header.type, ==, type);
    return header;
}

WireReader
agent_fields(const ScriptedAgent *agent)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(agent->payload, &size);
    WireReader r;

    wire_reader_init(&r, data, size);
    return r;
}

static void
on_quiesced(GObject *source, GAsyncResult *result, gpointer is_done)
{
    g_autoptr(GError) error = NULL;

    guest_link_quiesce_finish(NULL, result, &error);
    g_assert_no_error(error);
    *(gboolean *)is_done = TRUE;
}

void
agent_expect_nothing(ScriptedAgent *agent)
{
    gboolean is_done = FALSE;

    guest_link_quiesce_async(agent->link, on_quiesced, &is_done);
    agent_send_empty(agent, agent_expect(agent, WIRE_QUIESCE).stream, WIRE_OK);
    agent_wait(&is_done);
}

/* --- sending --- */

void
agent_send(ScriptedAgent *agent, WireWriter *w, guint32 stream, WireType type, WireChannel channel)
{
    gssize size = wire_frame_end(w, stream, type, channel);

    g_assert_cmpint(size, >, 0);
    g_assert_cmpint(send(agent->fd, w->data, (gsize)size, MSG_NOSIGNAL), ==, size);
}

static void
send_fields(ScriptedAgent *agent, guint32 stream, WireType type, WireChannel channel, guint n,
            const guint32 *values)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    for (guint i = 0; i < n; i++)
        wire_put_u32(&w, values[i]);
    agent_send(agent, &w, stream, type, channel);
}

void
agent_send_empty(ScriptedAgent *agent, guint32 stream, WireType type)
{
    send_fields(agent, stream, type, WIRE_STDIN, 0, NULL);
}

void
agent_send_eof(ScriptedAgent *agent, guint32 stream, WireChannel channel)
{
    send_fields(agent, stream, WIRE_EOF, channel, 0, NULL);
}

void
agent_send_started(ScriptedAgent *agent, guint32 stream)
{
    send_fields(agent, stream, WIRE_STARTED, WIRE_STDIN, 1, (const guint32[]){1});
}

void
agent_send_exited(ScriptedAgent *agent, guint32 stream, WireExit how, guint32 status)
{
    send_fields(agent, stream, WIRE_EXITED, WIRE_STDIN, 8, (const guint32[8]){how, status});
}

void
agent_send_credit(ScriptedAgent *agent, guint32 stream, WireChannel channel, guint32 size)
{
    send_fields(agent, stream, WIRE_CREDIT, channel, 1, &size);
}

void
agent_send_data(ScriptedAgent *agent, guint32 stream, WireChannel channel, const void *data,
                gsize size)
{
    g_autofree guint8 *frame = g_malloc(WIRE_HEADER_SIZE + size + 1);
    WireWriter w;

    wire_frame_begin(&w, frame, WIRE_HEADER_SIZE + size + 1);
    memcpy(w.data + w.used, data, size);
    w.used += size;
    agent_send(agent, &w, stream, WIRE_DATA, channel);
}

void
agent_send_error(ScriptedAgent *agent, guint32 stream, guint32 errnum, WireObject about)
{
    guint8 frame[128];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, errnum);
    wire_put_u32(&w, about);
    wire_put_string(&w, "name");
    wire_put_string(&w, "message");
    agent_send(agent, &w, stream, WIRE_ERROR, WIRE_STDIN);
}

/* --- the greeting --- */

void
agent_read_preamble(ScriptedAgent *agent)
{
    while (agent->received->len < PREAMBLE_SIZE)
        receive(agent);
    send(agent->fd, agent->received->data + WIRE_PREAMBLE_PAD, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE,
         MSG_NOSIGNAL);
    g_byte_array_remove_range(agent->received, 0, PREAMBLE_SIZE);
}

void
agent_send_hello(ScriptedAgent *agent, guint32 version)
{
    guint8 hello[64];
    WireWriter w;

    wire_frame_begin(&w, hello, sizeof(hello));
    wire_put_u32(&w, version);
    wire_put_string(&w, "abc");
    wire_put_string(&w, "6.1");
    agent_send(agent, &w, 0, WIRE_HELLO, WIRE_STDIN);
}

void
agent_greet(ScriptedAgent *agent, guint32 version)
{
    agent_read_preamble(agent);
    agent_send_hello(agent, version);
    agent_wait(&agent->is_greeted);
}

/* --- the host's side --- */

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer data)
{
    ScriptedAgent *agent = data;

    guest_link_greet_finish(agent->link, result, &agent->greeting_error);
    agent->is_greeted = TRUE;
}

static void
on_lost(GuestLink *link, GuestLoss why, const char *message, gpointer data)
{
    ScriptedAgent *agent = data;

    g_assert_false(agent->is_lost);
    agent->is_lost = TRUE;
    agent->loss = why;
    agent->loss_message = g_strdup(message);
}

void
agent_set_up(ScriptedAgent *agent)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    agent->fd = fds[1];
    agent->received = g_byte_array_new();
    agent->grace_s = 5;
    agent->link = guest_link_new(fds[0], &agent->grace_s, on_lost, agent);
    guest_link_greet_async(agent->link, /* timeout_s= */ 60, on_greeted, agent);
}

void
agent_tear_down(ScriptedAgent *agent)
{
    g_clear_error(&agent->greeting_error);
    if (agent->link)
        guest_link_free(agent->link, "the test is over");
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    g_clear_error(&agent->greeting_error);
    g_clear_pointer(&agent->payload, g_bytes_unref);
    g_byte_array_unref(agent->received);
    g_free(agent->loss_message);
    if (agent->fd >= 0)
        close(agent->fd);
}
