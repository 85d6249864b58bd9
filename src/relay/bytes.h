/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes: a bounded queue of bytes between a writer and a reader.
 *
 * The bytes that wait, and the room behind them, are each one piece of memory, so that read() and
 * write() can use them without a copy. Memory is allocated when the first byte arrives, and wiped
 * when it is freed: plain text of TLS passes through queues.
 */
#pragma once

#include <glib.h>

typedef struct {
    gsize max;      /* bytes that may wait */
    gboolean ended; /* set by the writer: no byte follows those that wait */
    /* private */
    guint8 *data;
    gsize begin, end, capacity;
} Bytes;

void bytes_init(Bytes *queue, gsize max);
/* Frees the memory. The queue is empty, has not ended, and can be used again. */
void bytes_clear(Bytes *queue);
/* Frees the memory if the queue is empty. `ended` stays. */
void bytes_trim(Bytes *queue);

static inline gsize
bytes_size(const Bytes *queue)
{
    return queue->end - queue->begin;
}

static inline gsize
bytes_room(const Bytes *queue)
{
    return queue->max - bytes_size(queue);
}

/* The reader has taken everything, and no more will come. */
static inline gboolean
bytes_at_end(const Bytes *queue)
{
    return queue->ended && queue->begin == queue->end;
}

/* The bytes that wait, bytes_size() of them. Valid until the queue is changed. */
const guint8 *bytes_peek(const Bytes *queue);
/* Removes the first `size` bytes, which must be there. */
void bytes_consume(Bytes *queue, gsize size);
/* Returns memory for `size` bytes behind those that wait. There must be so much room.
 * bytes_commit() appends what was written to it. */
guint8 *bytes_reserve(Bytes *queue, gsize size);
void bytes_commit(Bytes *queue, gsize size);
/* Appends bytes. There must be room for them. */
void bytes_put(Bytes *queue, gconstpointer data, gsize size);
/* Moves at most `max` bytes, as far as there is room, and returns how many. */
gsize bytes_move(Bytes *from, Bytes *to, gsize max);
