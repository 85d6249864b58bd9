/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* task: runs one of the agent's built-in tasks and returns its output. */
#include "task.h"

#include <errno.h>

#include "error.h"
#include "guest-error.h"
#include "run.h"

typedef struct {
    GTask *task;
    char *path; /* named in errors */
} PendingTask;

/* The exit status of a task is an errno (builtin.h). NULL: it succeeded. */
static GError *
describe_end(const GuestRun *run, const char *path)
{
    if (run->exit.how == WIRE_EXIT_OUT_OF_MEMORY)
        return guest_error(WIRE_ABOUT_SYSTEM, ENOMEM, "memory");
    if (run->exit.how != WIRE_EXIT_STATUS)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                           "The sandbox's agent was killed during its task");
    if (run->exit.status != 0)
        return guest_error(WIRE_ABOUT_FILE, run->exit.status, path);
    if (run->out.size > run->out.bytes->len)
        return g_error_new(
            CLOCHE_ERROR, CLOCHE_ERROR_TOO_LARGE,
            "The answer of the sandbox has more bytes than the service keeps: ask for "
            "less of it, or wait until other calls have ended");
    return NULL;
}

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree PendingTask *pending = data;
    g_autofree char *path = pending->path;
    g_autoptr(GTask) task = pending->task;
    GError *error = NULL;
    g_autoptr(GuestRun) run = guest_run_finish(result, &error);

    if (run)
        error = describe_end(run, path);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_byte_array_free_to_bytes(g_steal_pointer(&run->out.bytes)),
                              (GDestroyNotify)g_bytes_unref);
}

void
guest_task_async(GuestLink *link, const char *const *argv, const char *user, Budget *budget,
                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    const GuestStart start = {
        .argv = argv,
        .user = user,
        .flags = START_BUILTIN | START_NO_STDIN,
        .budget = budget,
    };
    PendingTask *pending = g_new0(PendingTask, 1);

    pending->task = g_task_new(NULL, NULL, callback, data);
    pending->path = g_strdup(argv[1] ? argv[1] : argv[0]);
    guest_run_async(link, &start, /* input= */ NULL, cancellable, on_run, pending);
}

GBytes *
guest_task_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
