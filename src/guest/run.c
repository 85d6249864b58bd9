/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: executes a program in the guest and collects its output. */
#include "run.h"

#include "util.h"

typedef struct {
    GuestRun *run;
    GuestStream *stream;
    gint64 started_us;
    gulong cancel_handler;
} PendingRun;

void
guest_run_free(GuestRun *run)
{
    if (!run)
        return;
    guest_output_clear(&run->out);
    guest_output_clear(&run->err);
    g_free(run);
}

static void
pending_run_free(gpointer data)
{
    PendingRun *pending = data;

    guest_run_free(pending->run);
    guest_stream_free(pending->stream);
    g_free(pending);
}

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    PendingRun *pending = g_task_get_task_data(data);

    pending->run->pid = pid;
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    PendingRun *pending = g_task_get_task_data(data);

    guest_output_add(channel == WIRE_STDERR ? &pending->run->err : &pending->run->out, bytes, size);
    guest_stream_credit(stream, channel, size);
}

/* The one place where a run ends: answers its task and releases it. */
static void
finish(GTask *task, GError *error)
{
    PendingRun *pending = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);

    g_clear_pointer(&pending->stream, guest_stream_free);
    if (pending->cancel_handler != 0)
        g_signal_handler_disconnect(cancellable, pending->cancel_handler);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_steal_pointer(&pending->run), (GDestroyNotify)guest_run_free);
    g_object_unref(task);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    PendingRun *pending = g_task_get_task_data(data);

    if (how)
        pending->run->exit = *how;
    pending->run->duration_us = util_boottime_us() - pending->started_us;
    finish(data, error ? g_error_copy(error) : NULL);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    finish(data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left"));
}

void
guest_run_async(GuestLink *link, const GuestStart *start, GBytes *input, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer data)
{
    static const GuestStreamEvents events = {on_started, on_received, on_ended};
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    PendingRun *pending = g_new0(PendingRun, 1);
    GError *error = NULL;

    g_task_set_check_cancellable(task, FALSE); /* on_cancelled() answers */
    g_task_set_task_data(task, pending, pending_run_free);
    pending->run = g_new0(GuestRun, 1);
    guest_output_init(&pending->run->out);
    guest_output_init(&pending->run->err);
    guest_output_set_budget(&pending->run->out, start->budget);
    guest_output_set_budget(&pending->run->err, start->budget);
    pending->started_us = util_boottime_us();
    pending->stream = guest_stream_start(link, start, &events, task, &error);
    if (!pending->stream) {
        finish(task, error);
        return;
    }
    if (input)
        guest_stream_write(pending->stream, WIRE_STDIN, g_bytes_get_data(input, NULL),
                           g_bytes_get_size(input));
    guest_stream_write_end(pending->stream, WIRE_STDIN);
    if (g_cancellable_is_cancelled(cancellable))
        on_cancelled(cancellable, task);
    else if (cancellable)
        pending->cancel_handler =
            g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), task);
}

GuestRun *
guest_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
