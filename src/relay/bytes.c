/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bytes: the memory doubles up to `max`, and the bytes move to its begin only when they must. */
#include "bytes.h"

#include <string.h>

#define CAPACITY_MIN 4096u

void
bytes_init(Bytes *queue, gsize max)
{
    *queue = (Bytes){.max = max};
}

static void
free_data(Bytes *queue)
{
    if (queue->data)
        explicit_bzero(queue->data, queue->capacity);
    g_free(queue->data);
    queue->data = NULL;
    queue->begin = queue->end = queue->capacity = 0;
}

void
bytes_clear(Bytes *queue)
{
    free_data(queue);
    queue->ended = FALSE;
}

void
bytes_trim(Bytes *queue)
{
    if (queue->begin == queue->end)
        free_data(queue);
}

const guint8 *
bytes_peek(const Bytes *queue)
{
    return queue->data ? queue->data + queue->begin : (const guint8 *)"";
}

void
bytes_consume(Bytes *queue, gsize size)
{
    g_assert(size <= bytes_size(queue));
    queue->begin += size;
    if (queue->begin == queue->end)
        queue->begin = queue->end = 0;
}

static void
grow(Bytes *queue, gsize needed)
{
    gsize size = bytes_size(queue), capacity = MAX(queue->capacity, CAPACITY_MIN);

    while (capacity < needed)
        capacity *= 2;
    capacity = MIN(capacity, queue->max);
    guint8 *data = g_malloc(capacity);
    memcpy(data, bytes_peek(queue), size);
    free_data(queue);
    queue->data = data;
    queue->end = size;
    queue->capacity = capacity;
}

guint8 *
bytes_reserve(Bytes *queue, gsize size)
{
    gsize waiting = bytes_size(queue);

    g_assert(size <= bytes_room(queue));
    if (!queue->data || waiting + size > queue->capacity) {
        grow(queue, waiting + size);
    } else if (queue->end + size > queue->capacity) {
        memmove(queue->data, queue->data + queue->begin, waiting);
        queue->begin = 0;
        queue->end = waiting;
    }
    return queue->data + queue->end;
}

void
bytes_commit(Bytes *queue, gsize size)
{
    g_assert(size <= queue->capacity - queue->end);
    queue->end += size;
}

void
bytes_put(Bytes *queue, gconstpointer data, gsize size)
{
    if (size == 0)
        return;
    memcpy(bytes_reserve(queue, size), data, size);
    bytes_commit(queue, size);
}

gsize
bytes_move(Bytes *from, Bytes *to, gsize max)
{
    gsize size = MIN(MIN(bytes_size(from), bytes_room(to)), max);

    bytes_put(to, bytes_peek(from), size);
    bytes_consume(from, size);
    return size;
}
