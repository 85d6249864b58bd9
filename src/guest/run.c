/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: a program in the guest, from its start to its end, with all that it wrote. */
#include "run.h"

#include "util.h"

typedef struct {
    GuestRun *run;
    GuestStream *stream;
    gint64 started_us;
    gulong cancel_handler;
} Job;

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
job_free(gpointer data)
{
    Job *job = data;

    guest_run_free(job->run);
    guest_stream_free(job->stream);
    g_free(job);
}

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    Job *job = g_task_get_task_data(data);

    job->run->pid = pid;
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    Job *job = g_task_get_task_data(data);

    guest_output_add(channel == WIRE_STDERR ? &job->run->err : &job->run->out, bytes, size);
    guest_stream_credit(stream, channel, size);
}

/* The one place where a job ends: its task is returned and given up. */
static void
finish(GTask *task, GError *error)
{
    Job *job = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);

    g_clear_pointer(&job->stream, guest_stream_free);
    if (job->cancel_handler != 0)
        g_signal_handler_disconnect(cancellable, job->cancel_handler);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_steal_pointer(&job->run), (GDestroyNotify)guest_run_free);
    g_object_unref(task);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    Job *job = g_task_get_task_data(data);

    if (how)
        job->run->exit = *how;
    job->run->duration_us = util_boottime_us() - job->started_us;
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
    Job *job = g_new0(Job, 1);
    GError *error = NULL;

    g_task_set_check_cancellable(task, FALSE); /* finish() says it */
    g_task_set_task_data(task, job, job_free);
    job->run = g_new0(GuestRun, 1);
    guest_output_init(&job->run->out);
    guest_output_init(&job->run->err);
    job->started_us = util_boottime_us();
    job->stream = guest_stream_start(link, start, &events, task, &error);
    if (!job->stream) {
        finish(task, error);
        return;
    }
    if (input)
        guest_stream_write(job->stream, WIRE_STDIN, g_bytes_get_data(input, NULL),
                           g_bytes_get_size(input));
    guest_stream_write_end(job->stream, WIRE_STDIN);
    if (g_cancellable_is_cancelled(cancellable))
        on_cancelled(cancellable, task);
    else if (cancellable)
        job->cancel_handler =
            g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), task);
}

GuestRun *
guest_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
