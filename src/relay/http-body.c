/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-body: a chunked body is read line by line, everything else is counted. */
#include "http-body.h"

#include <stdio.h>
#include <string.h>

#define SIZE_DIGITS_MAX 8u

/* What of a chunked body comes next. */
enum {
    CHUNK_SIZE,
    CHUNK_DATA,
    CHUNK_END,
    CHUNK_LAST_END,
};

void
http_body_begin(HttpBodyReader *reader, HttpBodyKind kind, guint64 length)
{
    *reader = (HttpBodyReader){.kind = kind, .is_complete = kind == HTTP_BODY_NONE};
    if (kind == HTTP_BODY_LENGTH)
        reader->left = length;
    if (kind == HTTP_BODY_LENGTH && length == 0)
        reader->is_complete = TRUE;
}

/* Each step below returns TRUE if it has taken something from the queue. */

static gboolean
take_size(HttpBodyReader *reader, Bytes *queue, const char **ret_refusal)
{
    const guint8 *data = bytes_peek(queue);
    gsize size = bytes_size(queue), digits = 0;
    guint64 number = 0;

    for (; digits < size && g_ascii_isxdigit((char)data[digits]); digits++) {
        if (digits == SIZE_DIGITS_MAX) {
            *ret_refusal = "the size of a chunk has more than 8 digits";
            return FALSE;
        }
        number = number << 4 | (guint64)g_ascii_xdigit_value((char)data[digits]);
    }
    if ((digits == 0 && size > 0) || (digits < size && data[digits] != '\r') ||
        (digits + 1 < size && data[digits + 1] != '\n')) {
        *ret_refusal = "the size of a chunk is malformed";
        return FALSE;
    }
    if (digits + 2 > size)
        return FALSE;
    bytes_consume(queue, digits + 2);
    reader->left = number;
    reader->state = number > 0 ? CHUNK_DATA : CHUNK_LAST_END;
    return TRUE;
}

static gboolean
take_line_end(HttpBodyReader *reader, Bytes *queue, const char **ret_refusal)
{
    const guint8 *data = bytes_peek(queue);
    gsize size = bytes_size(queue);

    if ((size > 0 && data[0] != '\r') || (size > 1 && data[1] != '\n')) {
        *ret_refusal = reader->state == CHUNK_END ? "a chunk is longer than its size"
                                                  : "the chunked body has a trailer";
        return FALSE;
    }
    if (size < 2)
        return FALSE;
    bytes_consume(queue, 2);
    reader->is_complete = reader->state == CHUNK_LAST_END;
    reader->state = CHUNK_SIZE;
    return TRUE;
}

static gboolean
take_framing(HttpBodyReader *reader, Bytes *queue, const char **ret_refusal)
{
    if (reader->is_complete || reader->state == CHUNK_DATA)
        return FALSE;
    return reader->state == CHUNK_SIZE ? take_size(reader, queue, ret_refusal)
                                       : take_line_end(reader, queue, ret_refusal);
}

gsize
http_body_next(HttpBodyReader *reader, Bytes *queue, const char **ret_refusal)
{
    *ret_refusal = NULL;
    while (reader->kind == HTTP_BODY_CHUNKED && take_framing(reader, queue, ret_refusal))
        ;
    if (*ret_refusal || reader->is_complete)
        return 0;
    if (bytes_at_end(queue) ||
        (queue->ended && reader->kind == HTTP_BODY_CHUNKED && reader->state != CHUNK_DATA)) {
        if (reader->kind == HTTP_BODY_UNTIL_CLOSE)
            reader->is_complete = TRUE;
        else
            *ret_refusal = "the body is incomplete";
        return 0;
    }
    if (reader->kind == HTTP_BODY_UNTIL_CLOSE)
        return bytes_size(queue);
    return MIN(reader->left, bytes_size(queue));
}

void
http_body_consume(HttpBodyReader *reader, Bytes *queue, gsize size)
{
    bytes_consume(queue, size);
    if (size == 0 || reader->kind == HTTP_BODY_UNTIL_CLOSE)
        return;
    g_assert(size <= reader->left);
    reader->left -= size;
    if (reader->left > 0)
        return;
    if (reader->kind == HTTP_BODY_CHUNKED)
        reader->state = CHUNK_END;
    else
        reader->is_complete = TRUE;
}

void
http_chunk_begin(Bytes *queue, gsize size)
{
    char line[HTTP_CHUNK_OVERHEAD];
    int length = g_snprintf(line, sizeof line, "%x\r\n", (guint)size);

    bytes_put(queue, line, (gsize)length);
}

void
http_chunk_end(Bytes *queue)
{
    bytes_put(queue, "\r\n", 2);
}

void
http_chunk_last(Bytes *queue)
{
    bytes_put(queue, "0\r\n\r\n", HTTP_LAST_CHUNK_SIZE);
}
