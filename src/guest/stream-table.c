/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-table: the open streams of a link, and their turns to send. */
#include "stream-table.h"

/* Calls a function for each stream; streams may be removed meanwhile. */
static void
for_each(StreamTable *table, void (*function)(LinkStream *stream, gconstpointer data),
         gconstpointer data)
{
    g_autoptr(GList) numbers = g_hash_table_get_keys(table->streams);

    for (GList *l = numbers; l; l = l->next) {
        LinkStream *stream = g_hash_table_lookup(table->streams, l->data);

        if (stream)
            function(stream, data);
    }
}

static void
resume_stream(LinkStream *stream, gconstpointer data)
{
    stream->functions->resume(stream);
}

/* A stream has lost its priority. */
static void
on_priority_lost(gpointer data)
{
    for_each(data, resume_stream, NULL);
}

void
stream_table_init(StreamTable *table, gboolean (*may_send)(gpointer data), gpointer data)
{
    table->streams = g_hash_table_new(NULL, NULL);
    g_queue_init(&table->waiting);
    table->is_sending = FALSE;
    priority_init(&table->priority, on_priority_lost, table);
    table->may_send = may_send;
    table->data = data;
}

void
stream_table_stop(StreamTable *table)
{
    priority_stop(&table->priority);
}

void
stream_table_clear(StreamTable *table)
{
    stream_table_stop(table);
    g_hash_table_unref(table->streams);
    g_queue_clear(&table->waiting);
}

void
stream_table_add(StreamTable *table, LinkStream *stream)
{
    g_hash_table_insert(table->streams, GUINT_TO_POINTER(stream->number), stream);
    priority_enter(&table->priority, stream);
}

void
stream_table_remove(StreamTable *table, LinkStream *stream)
{
    g_hash_table_remove(table->streams, GUINT_TO_POINTER(stream->number));
    g_queue_remove(&table->waiting, stream);
    priority_leave(&table->priority, stream);
}

LinkStream *
stream_table_find(const StreamTable *table, guint32 number)
{
    return g_hash_table_lookup(table->streams, GUINT_TO_POINTER(number));
}

guint
stream_table_size(const StreamTable *table)
{
    return g_hash_table_size(table->streams);
}

/* A stream that sends its last bytes may get more to send, and then this function is called again
 * from inside. */
void
stream_table_send(StreamTable *table)
{
    LinkStream *stream;

    if (table->is_sending)
        return;
    table->is_sending = TRUE;
    while (table->may_send(table->data) && (stream = g_queue_pop_head(&table->waiting)))
        if (stream->functions->send_next(stream) && !g_queue_find(&table->waiting, stream))
            g_queue_push_tail(&table->waiting, stream);
    table->is_sending = FALSE;
}

void
stream_table_wake(StreamTable *table, LinkStream *stream)
{
    if (!g_queue_find(&table->waiting, stream))
        g_queue_push_tail(&table->waiting, stream);
    stream_table_send(table);
}

void
stream_table_add_moved(StreamTable *table, LinkStream *stream, gsize size)
{
    stream->moved += size;
    priority_add_moved(&table->priority, stream, stream->moved, size);
}

static void
lose_stream(LinkStream *stream, gconstpointer error)
{
    stream->functions->lose(stream, error);
}

void
stream_table_lose_all(StreamTable *table, const GError *error)
{
    for_each(table, lose_stream, error);
}
