/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * event: the lines of StreamCode().
 *
 * Each line is a JSON object. The service writes the lines, but the texts in them come from a
 * guest. Nothing here reads a descriptor: the caller adds the bytes that it has received.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

/* The longest line. Data of 32 MiB fit, even if each byte of them is escaped. */
#define EVENT_LINE_MAX (256u * 1024 * 1024)

typedef struct {
    gsize line_max;
    GByteArray *bytes; /* received */
    gsize taken;       /* of these, returned as lines */
    gsize searched;    /* of these, known to contain no further line break */
} EventLines;

/* line_max: EVENT_LINE_MAX, except in tests. */
void event_lines_init(EventLines *lines, gsize line_max);
void event_lines_clear(EventLines *lines);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EventLines, event_lines_clear)

/* Adds received bytes. A line that event_lines_next() has returned becomes invalid. */
void event_lines_add(EventLines *lines, const void *bytes, gsize size);

/*
 * Sets ret_line to the next line, without its line break; the line is valid until the next call.
 * Returns 1, 0 if more bytes are needed, or -EMSGSIZE if the line is too long.
 */
int event_lines_next(EventLines *lines, const char **ret_line, gsize *ret_size);

/* Returns whether bytes are left that are no complete line: at the end of the stream, whether it
 * was cut off. */
gboolean event_lines_has_rest(const EventLines *lines);

/* Parses one line. The error is G_IO_ERROR_INVALID_DATA. */
JsonObject *event_parse(const char *line, gsize size, GError **error);

/* Returns the text of a member, or "" if the member is missing or not a text. */
const char *event_text(JsonObject *event, const char *member);

typedef struct {
    const char *mime; /* belongs to the event */
    GBytes *bytes;    /* decoded */
} EventDatum;

/* Returns the data (EventDatum) of an event of type "result", in the order of the event. */
GPtrArray *event_data(JsonObject *result);
