/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * event: what StreamCode() tells, line by line.
 *
 * A line is a JSON object. The service wrote it, but what is in its texts is a guest's.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "stream.h"

/* What is longer is no event: data of 32 MiB, each byte of it escaped, fits. */
#define EVENT_LINE_MAX (256u * 1024 * 1024)

typedef struct {
    Stream *stream;
    gsize line_max;
    GByteArray *bytes; /* read, and not given out for good */
    gsize taken;       /* of them */
} EventLines;

/* line_max: EVENT_LINE_MAX but in tests. */
void event_lines_init(EventLines *lines, Stream *stream, gsize line_max);
void event_lines_clear(EventLines *lines);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EventLines, event_lines_clear)

/*
 * The next line without its break, which stays until the next call. Gives 1, 0 at the end, or a
 * negative errno: EMSGSIZE for a line that is too long, ECONNRESET for an end inside of one.
 */
int event_lines_next(EventLines *lines, const char **ret_line, gsize *ret_size);

/* Error: G_IO_ERROR_INVALID_DATA. */
JsonObject *event_parse(const char *line, gsize size, GError **error);

/* A member that is text; "" when it is something else, or missing. */
const char *event_text(JsonObject *event, const char *member);

typedef struct {
    const char *mime; /* the event's */
    GBytes *bytes;
} EventDatum;

/* The data of a result, in the order in which they came. */
GPtrArray *event_data(JsonObject *result);
