/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-conversation: a link with its streams and an interpreter survives any conversation.
 *
 * The input is a list of steps of one byte each, with further bytes as arguments. A step is
 * something that the host's callers do, or a frame of the guest, whose header is well-formed. Each
 * execution must have one answer, also when the link is lost in the middle.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interpreter.h"
#include "scripted-agent.h"

#define STREAMS_MAX 8u
#define EXECUTIONS_MAX 16u
#define SYNC_MARK_SIZE 16u
#define SYNC_FRAME_SIZE (12u + 4u + RUNNER_NONCE_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const guint8 *data;
    gsize left;
} Input;

typedef struct {
    ScriptedAgent agent;
    GuestInterpreter *interpreter;
    GPtrArray *streams;
    GCancellable *cancellable; /* of the last execution that has one */
    guint asked, answered, openings, opened, requests, requested;
    guint32 last_number; /* of the host, as the guest has seen it */
    guint8 sync_answer[SYNC_FRAME_SIZE];
    gboolean is_held;
} Conversation;

static guint
take(Input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++;
}

/* --- the host's side --- */

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    if (bytes[0] % 2 == 0)
        guest_stream_credit(stream, channel, size);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    Conversation *it = data;

    g_assert_true((how != NULL) != (error != NULL));
    g_assert_true(g_ptr_array_remove_fast(it->streams, stream));
    guest_stream_free(stream);
}

static const GuestStreamEvents stream_events = {on_started, on_received, on_ended};

static void
open_stream(Conversation *it, guint flags)
{
    static const char *const argv[] = {"true", NULL};
    const GuestStart start = {.argv = argv, .flags = flags & (guint)_START_FLAGS_ALL};
    GuestStream *stream;

    if (it->streams->len >= STREAMS_MAX)
        return;
    stream = flags & 1
                 ? guest_stream_attach(it->agent.link, "tag", start.flags, &stream_events, it, NULL)
                 : guest_stream_start(it->agent.link, &start, &stream_events, it, NULL);
    if (stream)
        g_ptr_array_add(it->streams, stream);
}

static void
use_stream(Conversation *it, guint how)
{
    GuestStream *stream;

    if (it->streams->len == 0)
        return;
    stream = it->streams->pdata[how % it->streams->len];
    switch (how / STREAMS_MAX % 6) {
    case 0:
        g_ptr_array_remove_fast(it->streams, stream);
        guest_stream_free(stream);
        break;
    case 1:
        guest_stream_write(stream, how % 2 == 0 ? WIRE_STDIN : WIRE_CONTROL, "bytes", 5);
        break;
    case 2:
        guest_stream_write_end(stream, WIRE_STDIN);
        break;
    case 3:
        guest_stream_stop_reading(stream, WIRE_STDOUT);
        break;
    case 4:
        guest_stream_kill(stream);
        break;
    default:
        guest_stream_set_idle(stream);
    }
}

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    Conversation *it = data;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, NULL);

    it->answered++;
}

static void
on_open(GObject *source, GAsyncResult *result, gpointer data)
{
    Conversation *it = data;

    guest_interpreter_open_finish(NULL, result, NULL);
    it->opened++;
}

/* A listener that leaves at some of what it hears. */
static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    Conversation *it = data;

    if (bytes[0] % 4 == 0 && it->cancellable)
        g_cancellable_cancel(it->cancellable);
}

static void
on_message(const RunnerMessage *message, gpointer data)
{
    Conversation *it = data;

    if (message->type == RUNNER_ERROR && it->cancellable)
        g_cancellable_cancel(it->cancellable);
}

static void
on_unheard(gpointer data)
{
}

static const GuestHearing hearing = {on_output, on_message, on_unheard};

static void
execute(Conversation *it, guint how)
{
    GuestCode code = {.code = "1",
                      .is_check = (how & 1) != 0,
                      .hearing = how & 2 ? &hearing : NULL,
                      .hearing_data = it};

    if (it->asked - it->answered >= EXECUTIONS_MAX)
        return;
    g_clear_object(&it->cancellable);
    if (how & 4)
        it->cancellable = g_cancellable_new();
    it->asked++;
    guest_interpreter_execute_async(it->interpreter, &code, it->cancellable, on_executed, it);
}

static void
on_frozen(GObject *source, GAsyncResult *result, gpointer data)
{
    Conversation *it = data;

    guest_link_freeze_finish(NULL, result, NULL);
    it->requested++;
}

static void
on_thawed(GObject *source, GAsyncResult *result, gpointer data)
{
    Conversation *it = data;

    guest_link_thaw_finish(NULL, result, NULL);
    it->requested++;
}

static void
use_guest(Conversation *it, guint how)
{
    switch (how % 16) {
    case 0:
        it->openings++;
        guest_interpreter_open_async(it->interpreter, on_open, it);
        break;
    case 1:
        guest_interpreter_adopt(it->interpreter);
        break;
    case 2:
        it->openings++;
        guest_interpreter_restart_async(it->interpreter, on_open, it);
        break;
    case 3:
        guest_interpreter_stop(it->interpreter, "stopped");
        break;
    case 4:
        guest_interpreter_interrupt(it->interpreter);
        break;
    case 5:
        it->is_held = !it->is_held;
        guest_interpreter_hold(it->interpreter, it->is_held);
        break;
    case 6:
        guest_interpreter_reseed(it->interpreter, NULL);
        break;
    case 8:
        it->requests++;
        guest_link_freeze_async(it->agent.link, on_frozen, it);
        break;
    case 9:
        it->requests++;
        guest_link_thaw_async(it->agent.link, on_thawed, it);
        break;
    default:
        if (it->cancellable)
            g_cancellable_cancel(it->cancellable);
    }
}

/* --- the guest's side --- */

/* Notes the last number, and the answer to a synchronization. */
static void
note_frame(Conversation *it, const WireHeader *header, const guint8 *payload)
{
    it->last_number = MAX(it->last_number, header->stream);
    if (header->type != WIRE_DATA || header->length != SYNC_MARK_SIZE + SYNC_FRAME_SIZE)
        return;
    memcpy(it->sync_answer, payload + SYNC_MARK_SIZE, SYNC_FRAME_SIZE);
    it->sync_answer[8] = RUNNER_SYNCED;
}

static void
read_frames(Conversation *it)
{
    GByteArray *received = it->agent.received;
    const guint8 *payload;
    WireHeader header;
    guint8 bytes[8192];
    gsize size;
    gssize n;

    while ((n = recv(it->agent.fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        g_byte_array_append(received, bytes, (guint)n);
    while (wire_frame_get(received->data, received->len, &header, &payload, &size) > 0) {
        note_frame(it, &header, payload);
        g_byte_array_remove_range(received, 0, (guint)size);
    }
}

static void
send_frame(Conversation *it, guint type, guint which, const guint8 *payload, gsize size)
{
    guint8 frame[WIRE_HEADER_SIZE + 256 + 1];
    WireHeader header = {.length = (guint32)size,
                         .type = (guint8)type,
                         .channel = (guint8)(which / 8 % _WIRE_CHANNELS)};

    if (type != WIRE_HELLO)
        header.stream = MAX(it->last_number, which % 8 + 1) - which % 8;
    wire_header_put(frame, &header);
    if (size > 0)
        memcpy(frame + WIRE_HEADER_SIZE, payload, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    send(it->agent.fd, frame, WIRE_HEADER_SIZE + size + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
guest_step(Conversation *it, Input *input)
{
    static const guint8 types[] = {WIRE_DATA,    WIRE_EOF,    WIRE_CREDIT, WIRE_OK,     WIRE_ERROR,
                                   WIRE_STARTED, WIRE_EXITED, WIRE_PONG,   WIRE_REAPED, WIRE_HELLO};
    guint type = types[take(input) % G_N_ELEMENTS(types)];
    guint which = take(input);
    gsize size = take(input);

    size = MIN(size, input->left);
    send_frame(it, type, which, input->data, size);
    input->data += size;
    input->left -= size;
}

/* Frames that are well-formed, so that the conversation goes on. */
static void
simple_step(Conversation *it, guint how)
{
    static const guint32 numbers[8] = {GUINT32_TO_LE(1)};

    switch (how / 8 % 4) {
    case 0:
        send_frame(it, WIRE_STARTED, how % 8, (const guint8 *)numbers, 4);
        break;
    case 1:
        send_frame(it, WIRE_EXITED, how % 8, (const guint8 *)numbers, sizeof(numbers));
        break;
    case 2:
        send_frame(it, WIRE_DATA, how % 8 + 8 * WIRE_CONTROL, it->sync_answer, SYNC_FRAME_SIZE);
        break;
    default:
        send_frame(it, WIRE_OK, how % 8, NULL, 0);
    }
}

/* --- the conversation --- */

static void
dispatch(Conversation *it)
{
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    if (it->agent.is_lost)
        guest_link_close(it->agent.link, "lost");
    read_frames(it);
}

static void
step(Conversation *it, Input *input)
{
    guint what = take(input);

    switch (what % 8) {
    case 0:
        open_stream(it, take(input));
        break;
    case 1:
        use_stream(it, take(input));
        break;
    case 2:
        execute(it, take(input));
        break;
    case 3:
        use_guest(it, take(input));
        break;
    case 4:
    case 5:
        simple_step(it, take(input));
        break;
    default:
        guest_step(it, input);
    }
    if (what < 192) /* otherwise more arrives at once */
        dispatch(it);
}

static void
finish(Conversation *it)
{
    guest_link_close(it->agent.link, "the conversation is over");
    while (it->streams->len > 0)
        use_stream(it, 0);
    guest_interpreter_free(it->interpreter);
    dispatch(it);
    g_assert_cmpuint(it->answered, ==, it->asked);
    g_assert_cmpuint(it->opened, ==, it->openings);
    g_assert_cmpuint(it->requested, ==, it->requests);
    agent_tear_down(&it->agent);
    g_ptr_array_unref(it->streams);
    g_clear_object(&it->cancellable);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const GuestRunner runner = {.tag = "tag", .program = "python"};
    Input input = {data, size};
    Conversation it = {.streams = g_ptr_array_new()};

    agent_set_up(&it.agent);
    agent_greet(&it.agent, WIRE_VERSION);
    it.interpreter = guest_interpreter_new(it.agent.link, &runner);
    while (input.left > 0 && !it.agent.is_lost)
        step(&it, &input);
    dispatch(&it);
    finish(&it);
    return 0;
}
