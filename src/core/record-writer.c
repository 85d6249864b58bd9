/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-writer: writes the records of sandboxes in worker threads. */
#include "record-writer.h"

struct RecordWriter {
    Host *host;
    GHashTable *writes; /* id → PendingWrite, of sandboxes with a write under way */
};

/* The write of a sandbox that is under way, and the one that follows it. */
typedef struct {
    RecordWriter *writer;
    char *id;
    Record *record; /* being written */
    RecordGate gate;
    GPtrArray *callers; /* of GTask: they wait for `record` */
    Record *next;       /* NULL: none follows */
    GPtrArray *next_callers;
} PendingWrite;

RecordWriter *
record_writer_new(Host *host)
{
    RecordWriter *writer = g_new0(RecordWriter, 1);

    writer->host = host;
    writer->writes = g_hash_table_new(g_str_hash, g_str_equal);
    return writer;
}

void
record_writer_free(RecordWriter *writer)
{
    g_assert(g_hash_table_size(writer->writes) == 0);
    g_hash_table_unref(writer->writes);
    g_free(writer);
}

static void
write_free(PendingWrite *write)
{
    g_free(write->id);
    g_ptr_array_unref(write->callers);
    g_ptr_array_unref(write->next_callers);
    record_gate_clear(&write->gate);
    g_free(write);
}

static void
answer(GPtrArray *callers, const GError *error)
{
    for (guint i = 0; i < callers->len; i++) {
        if (error)
            g_task_return_error(callers->pdata[i], g_error_copy(error));
        else
            g_task_return_boolean(callers->pdata[i], TRUE);
    }
    g_ptr_array_set_size(callers, 0);
}

static void begin(PendingWrite *write);

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    PendingWrite *write = data;
    Host *host = write->writer->host;
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    g_clear_pointer(&write->record, record_free);
    answer(write->callers, error);
    if (write->next) {
        begin(write);
        return;
    }
    g_hash_table_steal(write->writer->writes, write->id);
    write_free(write);
    host_release(host);
}

static void
write_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    PendingWrite *write = data;
    GError *error = NULL;

    if (record_write(write->writer->host->store, write->record, &write->gate, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* Writes the record that follows. */
static void
begin(PendingWrite *write)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_written, write);
    GPtrArray *empty = write->callers;

    write->record = g_steal_pointer(&write->next);
    write->callers = write->next_callers;
    write->next_callers = empty;
    g_task_set_task_data(task, write, NULL);
    g_task_run_in_thread(task, write_in_thread);
}

static PendingWrite *
write_new(RecordWriter *writer, const char *id)
{
    PendingWrite *write = g_new0(PendingWrite, 1);

    write->writer = writer;
    write->id = g_strdup(id);
    write->callers = g_ptr_array_new_with_free_func(g_object_unref);
    write->next_callers = g_ptr_array_new_with_free_func(g_object_unref);
    record_gate_init(&write->gate);
    g_hash_table_insert(writer->writes, write->id, write);
    host_hold(writer->host);
    return write;
}

void
record_writer_write_async(RecordWriter *writer, const Record *record, GAsyncReadyCallback callback,
                          gpointer data)
{
    PendingWrite *write = g_hash_table_lookup(writer->writes, record->id);
    gboolean is_new = !write;

    if (is_new)
        write = write_new(writer, record->id);
    record_free(write->next);
    write->next = record_copy(record);
    g_ptr_array_add(write->next_callers, g_task_new(NULL, NULL, callback, data));
    if (is_new)
        begin(write);
}

gboolean
record_writer_write_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Writes that follow are not begun: the gate is shut for all of them. */
void
record_writer_remove(RecordWriter *writer, const char *id)
{
    PendingWrite *write = g_hash_table_lookup(writer->writes, id);

    record_remove(writer->host->store, id, write ? &write->gate : NULL);
}
