/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* show: each result is shown as a picture, or as text if it has no picture. */
#include "show.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "term.h"
#include "terminal-filter.h"
#include "text.h"

#define READ_SIZE 65536

typedef struct {
    Show *show;
    Stream out, err;
    TerminalFilter out_filter, err_filter;
} Follow;

void
show_clear(Show *show)
{
    g_clear_pointer(&show->status, g_free);
    g_clear_error(&show->lost);
}

static int
write_text(Follow *follow, Stream *stream, const char *text)
{
    if (*text != '\0')
        follow->show->is_inside_line = !g_str_has_suffix(text, "\n");
    return stream_write(stream, text, strlen(text));
}

static int
write_line(Follow *follow, Stream *stream, const char *text)
{
    int r = write_text(follow, stream, text);

    return r == 0 && *text != '\0' && follow->show->is_inside_line
               ? write_text(follow, stream, "\n")
               : r;
}

/* Writes output of the code. "" is its end. */
static int
write_output(Follow *follow, Stream *stream, TerminalFilter *filter, const char *text)
{
    g_autoptr(GByteArray) shown = NULL;

    if (!isatty(stream->fd))
        return write_text(follow, stream, text);
    if (*text != '\0')
        follow->show->is_inside_line = !g_str_has_suffix(text, "\n");
    shown = g_byte_array_new();
    terminal_filter(filter, (const guint8 *)text, strlen(text), shown);
    return stream_write(stream, shown->data, shown->len);
}

/* --- results --- */

static GBytes *
find_text(GPtrArray *data)
{
    for (guint i = 0; i < data->len; i++) {
        const EventDatum *datum = g_ptr_array_index(data, i);

        if (g_str_equal(datum->mime, "text/plain"))
            return datum->bytes;
    }
    return NULL;
}

static int
write_value(Follow *follow, GBytes *bytes)
{
    g_autofree char *text =
        g_strndup(g_bytes_get_data(bytes, /* size= */ NULL), g_bytes_get_size(bytes));
    g_autofree char *shown = isatty(follow->out.fd) ? text_escape_styled(text) : NULL;

    return write_line(follow, &follow->out, shown != NULL ? shown : text);
}

static void
tell_data(GPtrArray *data)
{
    for (guint i = 0; i < data->len; i++) {
        const EventDatum *datum = g_ptr_array_index(data, i);
        g_autofree char *size = text_from_size(g_bytes_get_size(datum->bytes));
        g_autofree char *mime = text_escape(datum->mime);

        fprintf(stderr, "[%s, %s] --json prints it\n", mime, size);
    }
}

static void
fetch_saved(Follow *follow, JsonObject *result)
{
    JsonNode *saved = json_object_get_member(result, "saved");
    JsonObjectIter iter;
    const char *mime;
    JsonNode *unused;

    if (saved == NULL || !JSON_NODE_HOLDS_OBJECT(saved))
        return;
    json_object_iter_init_ordered(&iter, json_node_get_object(saved));
    while (json_object_iter_next_ordered(&iter, &mime, &unused))
        gallery_fetch(follow->show->gallery, mime, event_text(json_node_get_object(saved), mime),
                      follow->out.interrupted);
}

static int
show_result(Follow *follow, JsonObject *result)
{
    g_autoptr(GPtrArray) data = event_data(result);
    GBytes *text = find_text(data);
    gboolean has_picture = FALSE;
    int r = 0;

    for (guint i = 0; i < data->len; i++) {
        const EventDatum *datum = g_ptr_array_index(data, i);

        has_picture |= gallery_take(follow->show->gallery, &follow->out, datum->mime, datum->bytes);
    }
    if (!has_picture && text != NULL)
        r = write_value(follow, text);
    else if (!has_picture)
        tell_data(data);
    fetch_saved(follow, result);
    return r;
}

/* --- the other events --- */

static int
show_stderr(Follow *follow, const char *text)
{
    network_hint_add(follow->show->hint, text, strlen(text));
    return write_output(follow, &follow->err, &follow->err_filter, text);
}

static int
show_error(Follow *follow, JsonObject *event)
{
    const char *traceback = event_text(event, "traceback");
    g_autofree char *text =
        *traceback != '\0'
            ? g_strdup(traceback)
            : g_strdup_printf("%s: %s", event_text(event, "name"), event_text(event, "value"));
    g_autofree char *shown = NULL;

    network_hint_add(follow->show->hint, text, strlen(text));
    follow->show->has_error = TRUE;
    follow->show->tells_limit =
        *traceback == '\0' && g_str_equal(event_text(event, "name"), "TimeoutError");
    if (term_is_terminal(stderr))
        shown = text_escape_styled(text);
    return write_line(follow, &follow->err, shown != NULL ? shown : text);
}

static void
take_end(Show *show, JsonObject *event)
{
    const char *name = event_text(event, "error");

    show->status = g_strdup(event_text(event, "status"));
    if (*name != '\0')
        show->lost = g_dbus_error_new_for_dbus_error(name, event_text(event, "message"));
}

/* Output from before this execution is shown only in a dialog, whose previous entries wrote it. */
static gboolean
is_of_another(const Follow *follow, JsonObject *event)
{
    return !follow->show->is_dialog && json_object_has_member(event, "earlier");
}

/*
 * Returns 0 or a negative errno of our output. Ignores unknown events, and "clear": terminals and
 * files keep what was written.
 */
static int
show_event(Follow *follow, JsonObject *event)
{
    const char *type = event_text(event, "type");

    if (is_of_another(follow, event))
        return 0;
    if (g_str_equal(type, "stdout"))
        return write_output(follow, &follow->out, &follow->out_filter, event_text(event, "text"));
    if (g_str_equal(type, "stderr"))
        return show_stderr(follow, event_text(event, "text"));
    if (g_str_equal(type, "result"))
        return show_result(follow, event);
    if (g_str_equal(type, "error"))
        return show_error(follow, event);
    if (g_str_equal(type, "end"))
        take_end(follow->show, event);
    return 0;
}

static gboolean
show_line(Follow *follow, const char *line, gsize size, GError **error)
{
    g_autoptr(JsonObject) event = event_parse(line, size, error);
    int r;

    if (event == NULL)
        return FALSE;
    g_atomic_int_set(&follow->show->has_begun, TRUE);
    r = show_event(follow, event);
    if (r < 0)
        stream_set_error(error, r, "standard output");
    return r == 0;
}

/* Returns as event_lines_next() does, but 0 at the end of the stream, or a negative errno. */
static int
read_line(Stream *stream, EventLines *lines, const char **ret_line, gsize *ret_size)
{
    char bytes[READ_SIZE];
    int r;

    while ((r = event_lines_next(lines, ret_line, ret_size)) == 0) {
        gssize n = stream_read(stream, bytes, sizeof bytes);

        if (n < 0)
            return (int)n;
        if (n == 0)
            return event_lines_has_rest(lines) ? -ECONNRESET : 0;
        event_lines_add(lines, bytes, n);
    }
    return r;
}

gboolean
show_follow(Stream *stream, gpointer data, GError **error)
{
    Follow follow = {.show = data,
                     .out = {.fd = STDOUT_FILENO, .interrupted = stream->interrupted},
                     .err = {.fd = STDERR_FILENO, .interrupted = stream->interrupted}};
    g_auto(EventLines) lines = {0};
    const char *line;
    gsize size;
    int r = 1;

    event_lines_init(&lines, EVENT_LINE_MAX);
    while (follow.show->status == NULL && (r = read_line(stream, &lines, &line, &size)) > 0) {
        if (!show_line(&follow, line, size, error))
            return FALSE;
    }
    write_output(&follow, &follow.out, &follow.out_filter, "");
    write_output(&follow, &follow.err, &follow.err_filter, "");
    if (r < 0 && r != -ECONNRESET)
        stream_set_error(error, r, "the events of the code");
    else if (r <= 0)
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                            "the service ended while the code ran");
    return r > 0;
}
