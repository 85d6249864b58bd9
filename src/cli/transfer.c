/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer: one task in a thread. */
#include "transfer.h"

#include <unistd.h>

struct TransferThread {
    Stream *stream;
    TransferWork work;
    gpointer data;
    GTask *task;
    GAsyncResult *result;
};

static void
run(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    TransferThread *transfer = data;
    GError *error = NULL;
    gboolean is_done = transfer->work(transfer->stream, transfer->data, &error);

    close(transfer->stream->fd);
    if (is_done)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

TransferThread *
transfer_start(Cli *cli, Stream *stream, TransferWork work, gpointer data)
{
    TransferThread *transfer = g_new0(TransferThread, 1);

    if (stream->interrupted == NULL)
        stream->interrupted = cli->interrupted;
    transfer->stream = stream;
    transfer->work = work;
    transfer->data = data;
    transfer->task =
        g_task_new(/* source= */ NULL, /* cancellable= */ NULL, cli_on_reply, &transfer->result);
    g_task_set_task_data(transfer->task, transfer, /* destroy= */ NULL);
    g_task_run_in_thread(transfer->task, run);
    return transfer;
}

gboolean
transfer_finish(TransferThread *transfer, GError **error)
{
    gboolean is_done;

    cli_await(&transfer->result);
    is_done = g_task_propagate_boolean(transfer->task, error);
    g_object_unref(transfer->result);
    g_object_unref(transfer->task);
    g_free(transfer);
    return is_done;
}
