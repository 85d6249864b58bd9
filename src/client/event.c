/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* event: json-glib parses a line; the MIME type determines which data are base64. */
#include "event.h"

#include <errno.h>
#include <string.h>

/* --- lines --- */

void
event_lines_init(EventLines *lines, gsize line_max)
{
    *lines = (EventLines){.line_max = line_max, .bytes = g_byte_array_new()};
}

void
event_lines_clear(EventLines *lines)
{
    g_byte_array_unref(lines->bytes);
}

void
event_lines_add(EventLines *lines, const void *bytes, gsize size)
{
    if (lines->taken > 0)
        g_byte_array_remove_range(lines->bytes, 0, lines->taken);
    lines->searched -= lines->taken;
    lines->taken = 0;
    g_byte_array_append(lines->bytes, bytes, size);
}

int
event_lines_next(EventLines *lines, const char **ret_line, gsize *ret_size)
{
    const guint8 *start = lines->bytes->data + lines->taken;
    gsize size = lines->bytes->len - lines->taken, searched = lines->searched - lines->taken;
    const guint8 *end = size > searched ? memchr(start + searched, '\n', size - searched) : NULL;

    if ((end != NULL ? (gsize)(end - start) : size) > lines->line_max)
        return -EMSGSIZE;
    if (end == NULL) {
        lines->searched = lines->bytes->len;
        return 0;
    }
    *ret_line = (const char *)start;
    *ret_size = end - start;
    lines->taken += *ret_size + 1;
    lines->searched = lines->taken;
    return 1;
}

gboolean
event_lines_has_rest(const EventLines *lines)
{
    return lines->bytes->len > lines->taken;
}

/* --- the contents of a line --- */

JsonObject *
event_parse(const char *line, gsize size, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) problem = NULL;
    JsonNode *root = NULL;

    if (json_parser_load_from_data(parser, line, (gssize)size, &problem))
        root = json_parser_get_root(parser);
    if (root != NULL && JSON_NODE_HOLDS_OBJECT(root))
        return json_node_dup_object(root);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the service sent a line that is not an event: %s",
                problem != NULL ? problem->message : "not an object");
    return NULL;
}

static const char *
node_text(JsonNode *node)
{
    const char *text = NULL;

    if (node != NULL && JSON_NODE_HOLDS_VALUE(node))
        text = json_node_get_string(node);
    return text != NULL ? text : "";
}

const char *
event_text(JsonObject *event, const char *member)
{
    return node_text(json_object_get_member(event, member));
}

static gboolean
is_text(const char *mime)
{
    return g_str_has_prefix(mime, "text/") || g_str_has_suffix(mime, "json") ||
           g_str_has_suffix(mime, "javascript") || g_str_has_suffix(mime, "+xml");
}

static void
clear_datum(gpointer data)
{
    EventDatum *datum = data;

    g_bytes_unref(datum->bytes);
    g_free(datum);
}

static EventDatum *
new_datum(const char *mime, const char *text)
{
    EventDatum *datum = g_new(EventDatum, 1);
    gsize size;
    guchar *bytes;

    datum->mime = mime;
    if (is_text(mime)) {
        datum->bytes = g_bytes_new(text, strlen(text));
    } else {
        bytes = g_base64_decode(text, &size);
        datum->bytes = g_bytes_new_take(bytes, size);
    }
    return datum;
}

GPtrArray *
event_data(JsonObject *result)
{
    GPtrArray *data = g_ptr_array_new_with_free_func(clear_datum);
    JsonNode *node = json_object_get_member(result, "data");
    JsonObjectIter iter;
    const char *mime;
    JsonNode *value;

    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
        return data;
    json_object_iter_init_ordered(&iter, json_node_get_object(node));
    while (json_object_iter_next_ordered(&iter, &mime, &value))
        g_ptr_array_add(data, new_datum(mime, node_text(value)));
    return data;
}
