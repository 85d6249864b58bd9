/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-table: the open streams of a link, and their turns to send.
 *
 * Streams that have something to send take turns, one frame each, so that a small command waits for
 * a few frames of a bulk transfer and not for its end. New streams have priority (priority.h).
 */
#pragma once

#include "priority.h"
#include "wire.h"

typedef struct LinkStream LinkStream;

typedef struct {
    /* Handles a frame for the stream. FALSE when it breaks the protocol. May free the stream. */
    gboolean (*handle_frame)(LinkStream *stream, const WireHeader *header, const guint8 *payload);
    /* Sends one frame of what is queued. FALSE: there is none that the guest takes now. */
    gboolean (*send_next)(LinkStream *stream);
    /* Sends what waited while another stream had priority. */
    void (*resume)(LinkStream *stream);
    /* The connection is over, for the reason `error`. May free the stream. */
    void (*lose)(LinkStream *stream, const GError *error);
} LinkStreamFunctions;

/* The part of a stream that the link uses. */
struct LinkStream {
    const LinkStreamFunctions *functions;
    guint32 number;
    guint64 moved; /* bytes, in both directions */
};

typedef struct {
    GHashTable *streams; /* guint32 number → LinkStream, not owned */
    GQueue waiting;      /* of LinkStream that have something to send */
    gboolean is_sending;
    Priority priority;
    gboolean (*may_send)(gpointer data);
    gpointer data;
} StreamTable;

/* `may_send`: whether the link takes another frame now. */
void stream_table_init(StreamTable *table, gboolean (*may_send)(gpointer data), gpointer data);
/* Streams have no turns any more. */
void stream_table_stop(StreamTable *table);
void stream_table_clear(StreamTable *table);

void stream_table_add(StreamTable *table, LinkStream *stream);
void stream_table_remove(StreamTable *table, LinkStream *stream);
/* NULL: there is none. */
LinkStream *stream_table_find(const StreamTable *table, guint32 number);
guint stream_table_size(const StreamTable *table);

/* The stream may have something to send. */
void stream_table_wake(StreamTable *table, LinkStream *stream);
/* Gives turns to the streams, as long as the link takes frames. */
void stream_table_send(StreamTable *table);
/* The stream moved `size` bytes more. */
void stream_table_add_moved(StreamTable *table, LinkStream *stream, gsize size);
/* Ends all streams with `error`. */
void stream_table_lose_all(StreamTable *table, const GError *error);
