/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scripted-runner: an interpreter whose agent and runner are played by a test. */
#include "scripted-runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "error.h"
#include "frames.h"

#define RUNNER_REQUEST_EXECUTE 2
#define RUNNER_HEADER_SIZE 12u

typedef struct {
    Fixture *f;
    char *label;
} Caller;

/* --- the host's side --- */

static const char *
error_name(const GError *error)
{
    if (error->domain == G_IO_ERROR && error->code == G_IO_ERROR_CANCELLED)
        return "Cancelled";
    g_assert_cmpuint(error->domain, ==, CLOCHE_ERROR);
    return cloche_error_name(error->code);
}

static Caller *
caller_new(Fixture *f, const char *label)
{
    Caller *caller = g_new0(Caller, 1);

    caller->f = f;
    caller->label = g_strdup(label);
    return caller;
}

static void
answered(Caller *caller, const char *what, const GError *error)
{
    g_string_append_printf(caller->f->answers, "%s=%s\n", caller->label,
                           error ? error_name(error) : what);
    if (caller->f->executed_in_answer)
        execute(caller->f, g_steal_pointer(&caller->f->executed_in_answer));
    if (caller->f->closes_link_in_answer)
        guest_link_close(caller->f->agent.link, "closed by an answer");
    if (caller->f->frees_in_answer)
        g_clear_pointer(&caller->f->interpreter, guest_interpreter_free);
    g_free(caller->label);
    g_free(caller);
}

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);
    g_autoptr(GString) text = g_string_new("ok:");

    if (execution)
        g_string_append_len(text, (const char *)execution->out.bytes->data,
                            execution->out.bytes->len);
    answered(data, text->str, error);
}

static void
on_open(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    guest_interpreter_open_finish(NULL, result, &error);
    answered(data, "open", error);
}

void
execute_with(Fixture *f, const char *label, const GuestHearing *hearing, GCancellable *cancellable)
{
    GuestCode code = {.code = label, .hearing = hearing, .hearing_data = f};

    guest_interpreter_execute_async(f->interpreter, &code, cancellable, on_executed,
                                    caller_new(f, label));
}

void
execute(Fixture *f, const char *label)
{
    execute_with(f, label, /* hearing= */ NULL, /* cancellable= */ NULL);
}

void
open_runner(Fixture *f)
{
    guest_interpreter_open_async(f->interpreter, on_open, caller_new(f, "open"));
}

void
restart(Fixture *f, const char *label)
{
    guest_interpreter_restart_async(f->interpreter, on_open, caller_new(f, label));
}

static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    Fixture *f = data;

    g_string_append(f->heard, is_earlier ? "earlier:" : "output:");
    g_string_append_len(f->heard, (const char *)bytes, (gssize)size);
    g_string_append_c(f->heard, '\n');
}

static void
on_message(const RunnerMessage *message, gpointer data)
{
}

static void
on_over(gpointer data)
{
    Fixture *f = data;

    g_string_append(f->heard, "over\n");
}

const GuestHearing listener = {on_output, on_message, on_over};

void
expect_answers(Fixture *f, const char *answers)
{
    while (f->answers->len < strlen(answers))
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpstr(f->answers->str, ==, answers);
    g_string_truncate(f->answers, 0);
}

void
expect_state(Fixture *f, GuestInterpreterState state)
{
    g_assert_cmpint(guest_interpreter_state(f->interpreter), ==, state);
}

void
wait_for_state(Fixture *f, GuestInterpreterState state)
{
    while (guest_interpreter_state(f->interpreter) != state)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

/* --- the runner's side --- */

void
expect_start(Fixture *f)
{
    f->stream = agent_expect(&f->agent, WIRE_START).stream;
    f->is_started = FALSE;
}

void
expect_attach(Fixture *f)
{
    f->stream = agent_expect(&f->agent, WIRE_ATTACH).stream;
    f->is_started = FALSE;
}

void
expect_kill(Fixture *f)
{
    g_assert_cmpuint(agent_expect(&f->agent, WIRE_KILL).stream, ==, f->stream);
}

void
send_started(Fixture *f)
{
    agent_send_started(&f->agent, f->stream);
    f->is_started = TRUE;
}

void
send_exited(Fixture *f)
{
    if (f->is_started)
        agent_send_exited(&f->agent, f->stream, WIRE_EXIT_SIGNAL, SIGKILL);
    else
        agent_send_error(&f->agent, f->stream, ENOENT, WIRE_ABOUT_TAG);
}

void
send_output(Fixture *f, const char *text)
{
    agent_send_data(&f->agent, f->stream, WIRE_STDOUT, text, strlen(text));
}

/* Frees `frames`. */
static void
send_frames(Fixture *f, GByteArray *frames)
{
    agent_send_data(&f->agent, f->stream, WIRE_CONTROL, frames->data, frames->len);
    g_byte_array_unref(frames);
}

void
send_ready(Fixture *f)
{
    GByteArray *frames = g_byte_array_new();

    put_ready(frames);
    send_frames(f, frames);
}

void
send_done(Fixture *f, guint32 number)
{
    GByteArray *frames = g_byte_array_new();

    put_done(frames, number, RUNNER_OK);
    send_frames(f, frames);
}

void
send_failed(Fixture *f, guint32 number)
{
    GByteArray *frames = g_byte_array_new();

    put_done(frames, number, RUNNER_FAILED);
    send_frames(f, frames);
}

void
send_dones(Fixture *f, guint32 first, guint32 second)
{
    GByteArray *frames = g_byte_array_new();

    put_done(frames, first, RUNNER_OK);
    put_done(frames, second, RUNNER_OK);
    send_frames(f, frames);
}

guint32
expect_request(Fixture *f, guint8 type)
{
    guint32 length, number;
    const guint8 *data;
    gsize size;
    WireHeader header = agent_expect(&f->agent, WIRE_DATA);

    g_assert_cmpuint(header.stream, ==, f->stream);
    g_assert_cmpuint(header.channel, ==, WIRE_CONTROL);
    data = g_bytes_get_data(f->agent.payload, &size);
    g_assert_cmpuint(size, >=, RUNNER_HEADER_SIZE);
    memcpy(&length, data, sizeof(length));
    memcpy(&number, data + 4, sizeof(number));
    g_assert_cmpuint(GUINT32_FROM_LE(length) + RUNNER_HEADER_SIZE, ==, size);
    g_assert_cmpuint(data[8], ==, type);
    return GUINT32_FROM_LE(number);
}

guint32
expect_execute(Fixture *f, const char *code)
{
    guint32 number = expect_request(f, RUNNER_REQUEST_EXECUTE);
    WireReader r = agent_fields(&f->agent);
    g_autofree char *dialect = NULL, *found = NULL;

    r.data += RUNNER_HEADER_SIZE;
    r.left -= RUNNER_HEADER_SIZE;
    wire_get_u32(&r);
    dialect = wire_get_string(&r, 100);
    found = wire_get_string(&r, 100);
    g_assert_cmpstr(found, ==, code);
    return number;
}

void
answer_sync(Fixture *f)
{
    const gsize mark_size = 16, frame_size = RUNNER_HEADER_SIZE + 4 + RUNNER_NONCE_SIZE;
    g_autoptr(GByteArray) answer = g_byte_array_new();
    const guint8 *data;
    gsize size;

    agent_expect(&f->agent, WIRE_SIGNAL);
    agent_expect(&f->agent, WIRE_DATA);
    data = g_bytes_get_data(f->agent.payload, &size);
    g_assert_cmpuint(size, ==, mark_size + frame_size);
    g_byte_array_append(answer, data + mark_size, frame_size);
    answer->data[8] = RUNNER_SYNCED;
    send_frames(f, g_steal_pointer(&answer));
}

void
expect_nothing(Fixture *f)
{
    agent_expect_nothing(&f->agent);
}

void
set_up(Fixture *f, gconstpointer data)
{
    const GuestRunner runner = {.tag = "tag", .program = "python"};

    agent_set_up(&f->agent);
    agent_greet(&f->agent, WIRE_VERSION);
    f->agent.ignores_credit = TRUE;
    f->answers = g_string_new(NULL);
    f->heard = g_string_new(NULL);
    f->interpreter = guest_interpreter_new(f->agent.link, &runner);
}

void
tear_down(Fixture *f, gconstpointer data)
{
    guest_interpreter_free(f->interpreter);
    agent_tear_down(&f->agent);
    g_assert_cmpint(f->agent.is_lost, ==, f->breaks_protocol);
    g_string_free(f->answers, TRUE);
    g_string_free(f->heard, TRUE);
}

void
bring_to(Fixture *f, RunnerLife life)
{
    switch (life) {
    case LIFE_NONE:
    case LIFE_CLOSED:
    case _LIFE_MAX:
        return;
    case LIFE_STARTING:
        restart(f, "first");
        expect_start(f);
        send_started(f);
        break;
    case LIFE_ATTACHING:
        open_runner(f);
        expect_attach(f);
        break;
    case LIFE_FINDING:
        guest_interpreter_adopt(f->interpreter);
        expect_attach(f);
        break;
    case LIFE_SYNCING:
        bring_to(f, LIFE_FINDING);
        send_started(f);
        agent_expect(&f->agent, WIRE_SIGNAL);
        agent_expect(&f->agent, WIRE_DATA);
        break;
    case LIFE_READY:
        bring_to(f, LIFE_ATTACHING);
        send_started(f);
        expect_answers(f, "open=open\n");
        break;
    case LIFE_RESTARTING:
        bring_to(f, LIFE_READY);
        restart(f, "first");
        expect_kill(f);
        break;
    case LIFE_STOPPING:
        bring_to(f, LIFE_READY);
        guest_interpreter_stop(f->interpreter, "stopped");
        expect_kill(f);
        break;
    }
}

void
become_ready(Fixture *f)
{
    expect_start(f);
    send_started(f);
    send_ready(f);
}
