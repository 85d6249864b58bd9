/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-body: bodies of messages while they pass, without their framing and with a new one.
 *
 * Chunk sizes have at most 8 hexadecimal digits. Chunk extensions and trailers are refused.
 */
#pragma once

#include "bytes.h"
#include "http-head.h"

/* What a chunk of `size` bytes has around it at most. */
#define HTTP_CHUNK_OVERHEAD 12u
/* The last chunk. */
#define HTTP_LAST_CHUNK_SIZE 5u

typedef struct {
    HttpBodyKind kind;
    guint64 left; /* of the body, or of the current chunk */
    guint state;  /* of chunked framing */
    gboolean is_complete;
} HttpBodyReader;

void http_body_begin(HttpBodyReader *reader, HttpBodyKind kind, guint64 length);

/*
 * Removes framing from the begin of the queue and returns how many bytes of content follow there;
 * 0: the body is complete, or more is needed. `ret_refusal`: a static text, or NULL. The queue's
 * end completes a body that lasts until the connection closes, and is a refusal for others.
 */
gsize http_body_next(HttpBodyReader *reader, Bytes *queue, const char **ret_refusal);
/* Removes content from the queue, at most as much as http_body_next() has returned. */
void http_body_consume(HttpBodyReader *reader, Bytes *queue, gsize size);

/* Write what begins a chunk of `size` bytes, what ends it, and the last chunk. */
void http_chunk_begin(Bytes *queue, gsize size);
void http_chunk_end(Bytes *queue);
void http_chunk_last(Bytes *queue);
