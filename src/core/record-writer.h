/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-writer: writes the records of sandboxes in worker threads.
 *
 * The writes of one sandbox take effect in the order of the calls, one at a time. A write that has
 * not begun is replaced by a later one, and both calls wait for that one. A removal takes effect at
 * once: no write that is under way brings the record back.
 */
#pragma once

#include "host.h"
#include "record.h"

typedef struct RecordWriter RecordWriter;

RecordWriter *record_writer_new(Host *host);
/* There must be no write under way: each holds the host. */
void record_writer_free(RecordWriter *writer);

/* Finishes when this record, or a later one of the sandbox, is in its file. When it fails, the file
 * has the record that it had before. */
void record_writer_write_async(RecordWriter *writer, const Record *record,
                               GAsyncReadyCallback callback, gpointer data);
gboolean record_writer_write_finish(GAsyncResult *result, GError **error);
void record_writer_remove(RecordWriter *writer, const char *id);
