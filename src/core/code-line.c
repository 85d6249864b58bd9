/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-line: what an execution reports, as lines of JSON. */
#include "code-line.h"

#include <json-glib/json-glib.h>

#include "error.h"
#include "guest-text.h"

static JsonObject *
line_new(const char *type)
{
    JsonObject *line = json_object_new();

    json_object_set_string_member(line, "type", type);
    json_object_set_int_member(line, "time", g_get_real_time());
    return line;
}

/* Takes `line`. */
static char *
line_text(JsonObject *line)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), line);

    json_object_unref(line);
    return json_to_string(node, /* pretty= */ FALSE);
}

char *
code_line_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier)
{
    JsonObject *line = line_new(channel == WIRE_STDERR ? "stderr" : "stdout");
    gboolean is_invalid, is_cut;
    g_autofree char *text = guest_text(bytes, size, G_MAXSIZE, &is_invalid, &is_cut);

    json_object_set_string_member(line, "text", text);
    if (is_invalid)
        json_object_set_boolean_member(line, "invalid", TRUE);
    if (is_earlier)
        json_object_set_boolean_member(line, "earlier", TRUE);
    return line_text(line);
}

/* --- messages --- */

static void
add_part(JsonObject *object, const RunnerPart *part)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data(part->data, &size);
    gboolean is_invalid, is_cut;
    g_autofree char *text = NULL;

    if (guest_text_is_mime_type(part->mime_type))
        text = guest_text(bytes, size, G_MAXSIZE, &is_invalid, &is_cut);
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

char *
code_line_message(const RunnerMessage *message)
{
    switch (message->type) {
    case RUNNER_RESULT:
        return line_text(result_line(message));
    case RUNNER_ERROR:
        return line_text(error_line(message));
    case RUNNER_CLEAR:
        return line_text(clear_line(message));
    default:
        return NULL;
    }
}

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

char *
code_line_end(const GuestExecution *execution, const GError *error)
{
    JsonObject *line = line_new("end");
    g_autofree char *name = NULL;

    if (execution) {
        json_object_set_string_member(line, "status", guest_execution_status_name(execution));
        json_object_set_int_member(line, "execution-count", execution->count);
        json_object_set_int_member(line, "duration-us", execution->duration_us);
    } else {
        name = cloche_error_dbus_name(error);
        json_object_set_string_member(line, "status", lost_status(error));
        json_object_set_string_member(line, "error", name);
        json_object_set_string_member(line, "message", error->message);
    }
    return line_text(line);
}
