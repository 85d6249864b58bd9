/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-stream: an execution as lines of JSON, while it happens. */
#include "code-stream.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "error.h"
#include "outlet.h"
#include "reply.h"

/* The bytes of a character that has not come whole. */
typedef struct {
    guint8 bytes[4];
    gsize size;
} Partial;

typedef struct {
    GHashTable *streams; /* NULL: it was taken out of there */
    guint over_source;
    Core *core;
    guint32 charged;
    GuestInterpreter *interpreter; /* NULL: nothing more is heard of it */
    gboolean is_executing;
    GCancellable *left;
    Outlet *outlet; /* NULL: nobody reads */
    gsize pending;  /* bytes that the outlet keeps */
    Partial partial[WIRE_STDERR + 1];
} CodeStream;

/* Frees what nobody needs any more. */
static void
stream_release(CodeStream *stream)
{
    if (stream->is_executing || stream->streams)
        return;
    g_object_unref(stream->left);
    g_free(stream);
}

void
code_stream_free(gpointer data)
{
    CodeStream *stream = data;

    stream->streams = NULL;
    g_clear_handle_id(&stream->over_source, g_source_remove);
    g_clear_pointer(&stream->outlet, outlet_free);
    g_cancellable_cancel(stream->left);
    stream_release(stream);
}

/* --- lines --- */

static void
write_line(CodeStream *stream, JsonObject *line)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), line);
    g_autofree char *text = json_to_string(node, /* pretty= */ FALSE);
    gsize size = strlen(text);

    json_object_unref(line);
    if (!stream->outlet)
        return;
    text[size] = '\n'; /* where its end was: it is bytes from here on */
    stream->pending += size + 1;
    outlet_add(stream->outlet, (const guint8 *)text, size + 1);
    if (stream->pending > 0 && stream->interpreter)
        guest_interpreter_hold(stream->interpreter, TRUE);
}

static JsonObject *
line_new(const char *type)
{
    JsonObject *line = json_object_new();

    json_object_set_string_member(line, "type", type);
    json_object_set_int_member(line, "time", g_get_real_time());
    return line;
}

/* --- output --- */

static void
write_text(CodeStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
           gboolean is_earlier)
{
    JsonObject *line = line_new(channel == WIRE_STDERR ? "stderr" : "stdout");
    gboolean is_invalid, is_cut;
    g_autofree char *text = reply_text(bytes, size, G_MAXSIZE, &is_invalid, &is_cut);

    json_object_set_string_member(line, "text", text);
    if (is_invalid)
        json_object_set_boolean_member(line, "invalid", TRUE);
    if (is_earlier)
        json_object_set_boolean_member(line, "earlier", TRUE);
    write_line(stream, line);
}

static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    CodeStream *stream = data;
    Partial *partial = &stream->partial[channel];
    g_autoptr(GByteArray) all = g_byte_array_new();
    gsize whole;

    g_byte_array_append(all, partial->bytes, (guint)partial->size);
    g_byte_array_append(all, bytes, (guint)size);
    whole = reply_without_partial((const char *)all->data, all->len);
    partial->size = all->len - whole;
    memcpy(partial->bytes, all->data + whole, partial->size);
    if (whole > 0)
        write_text(stream, channel, all->data, whole, is_earlier);
}

/* What stays partial is no character. */
static void
flush_partial(CodeStream *stream)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++) {
        Partial *partial = &stream->partial[channel];
        gsize size = partial->size;

        partial->size = 0;
        if (size > 0)
            write_text(stream, channel, partial->bytes, size, /* is_earlier= */ FALSE);
    }
}

/* --- results --- */

static void
add_part(JsonObject *object, const RunnerPart *part)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data(part->data, &size);
    gboolean is_invalid, is_cut;
    g_autofree char *text = NULL;

    if (reply_is_text(part->mime_type))
        text = reply_text(bytes, size, G_MAXSIZE, &is_invalid, &is_cut);
    else
        text = g_base64_encode(bytes, size);
    json_object_set_string_member(object, part->mime_type, text);
}

static JsonObject *
result_line(const RunnerMessage *message)
{
    JsonObject *line = line_new("result"), *data = json_object_new(), *saved = json_object_new();

    for (guint i = 0; i < message->result.n_parts; i++)
        add_part(data, &message->result.parts[i]);
    for (guint i = 0; i < message->result.n_saved; i++)
        json_object_set_string_member(saved, message->result.saved[i].mime_type,
                                      message->result.saved[i].path);
    json_object_set_boolean_member(line, "main", message->result.is_main);
    json_object_set_boolean_member(line, "update", message->result.is_update);
    json_object_set_string_member(line, "display-id", message->result.display_id);
    json_object_set_boolean_member(line, "truncated", message->result.is_cut);
    json_object_set_object_member(line, "data", data);
    json_object_set_object_member(line, "saved", saved);
    return line;
}

static JsonObject *
error_line(const RunnerMessage *message)
{
    JsonObject *line = line_new("error");

    json_object_set_string_member(line, "name", message->error.name);
    json_object_set_string_member(line, "value", message->error.value);
    json_object_set_string_member(line, "traceback", message->error.traceback);
    return line;
}

static JsonObject *
clear_line(const RunnerMessage *message)
{
    JsonObject *line = line_new("clear");

    json_object_set_boolean_member(line, "wait", message->clear.waits);
    return line;
}

static void
on_message(const RunnerMessage *message, gpointer data)
{
    flush_partial(data);
    switch (message->type) {
    case RUNNER_RESULT:
        write_line(data, result_line(message));
        break;
    case RUNNER_ERROR:
        write_line(data, error_line(message));
        break;
    case RUNNER_CLEAR:
        write_line(data, clear_line(message));
        break;
    default:
        break;
    }
}

static void
on_unheard(gpointer data)
{
    CodeStream *stream = data;

    guest_interpreter_hold(stream->interpreter, FALSE);
    stream->interpreter = NULL;
}

static const GuestHearing hearing = {on_output, on_message, on_unheard};

/* --- the end --- */

static const char *
lost_status(const GError *error)
{
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST))
        return "runner-lost";
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST))
        return "guest-lost";
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING))
        return "service-stopping";
    return "failed";
}

static void
write_end(CodeStream *stream, const GuestExecution *execution, const GError *error)
{
    JsonObject *line = line_new("end");
    g_autofree char *name = NULL;

    flush_partial(stream);
    if (execution) {
        json_object_set_string_member(line, "status", reply_status(execution));
        json_object_set_int_member(line, "execution-count", execution->count);
        json_object_set_int_member(line, "duration-us", execution->duration_us);
    } else {
        name = reply_error_name(error);
        json_object_set_string_member(line, "status", lost_status(error));
        json_object_set_string_member(line, "error", name);
        json_object_set_string_member(line, "message", error->message);
    }
    write_line(stream, line);
}

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    CodeStream *stream = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);

    stream->is_executing = FALSE;
    core_end_process(stream->core, stream->charged);
    if (stream->outlet && (execution || error->domain == CLOCHE_ERROR))
        write_end(stream, execution, error);
    if (stream->outlet)
        outlet_end(stream->outlet, /* all_came= */ TRUE);
    else
        stream_release(stream);
}

/* --- the reader --- */

static void
on_passed(Outlet *outlet, gsize size, gpointer data)
{
    CodeStream *stream = data;

    stream->pending -= size;
    if (stream->pending == 0 && stream->interpreter)
        guest_interpreter_hold(stream->interpreter, FALSE);
}

static void
on_left(Outlet *outlet, gpointer data)
{
    CodeStream *stream = data;

    g_cancellable_cancel(stream->left);
}

static gboolean
on_idle(gpointer data)
{
    CodeStream *stream = data;

    stream->over_source = 0;
    g_hash_table_remove(stream->streams, stream);
    return G_SOURCE_REMOVE;
}

static void
on_over(Outlet *outlet, gpointer data)
{
    CodeStream *stream = data;

    if (stream->over_source == 0) /* the outlet is still at work */
        stream->over_source = g_idle_add(on_idle, stream);
}

static const OutletEvents outlet_events = {on_passed, on_left, on_over};

void
code_stream_start(GHashTable *streams, Core *core, guint32 charged, GuestInterpreter *interpreter,
                  const GuestCode *code, int writer)
{
    CodeStream *stream = g_new0(CodeStream, 1);
    GuestCode heard = *code;

    stream->streams = streams;
    stream->core = core;
    stream->charged = charged;
    stream->interpreter = interpreter;
    stream->is_executing = TRUE;
    stream->left = g_cancellable_new();
    stream->outlet = outlet_new(/* keeps= */ FALSE, &outlet_events, stream);
    g_hash_table_add(streams, stream);
    heard.hearing = &hearing;
    heard.hearing_data = stream;
    /* Before the execution: it may have something to say at once. */
    outlet_connect(stream->outlet, writer, /* is_complete_stream= */ TRUE);
    guest_interpreter_execute_async(interpreter, &heard, stream->left, on_executed, stream);
}
