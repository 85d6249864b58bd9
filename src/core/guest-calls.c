/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-calls: programs, tasks of the agent and code in a sandbox, each with an answer. */
#include "guest-calls.h"

#include <string.h>

#include "task.h"

/* Returns a task whose data is the operation; NULL: the caller has the error. `size`: bytes that
 * are sent to the guest; two copies of them are kept. */
static GTask *
begin(Sandbox *sandbox, gsize size, GCancellable *caller, GAsyncReadyCallback callback,
      gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    Operation *operation = operation_begin(sandbox, caller, &error);

    if (operation && !operation_hold(operation, 2 * size, &error))
        operation_end(g_steal_pointer(&operation));
    if (!operation) {
        g_task_return_error(task, error);
        return NULL;
    }
    g_task_set_task_data(task, operation, NULL);
    return g_steal_pointer(&task);
}

/* Takes the task, and the answer or the error. */
static void
end(GTask *task, gpointer answer, GDestroyNotify free_answer, GError *error)
{
    operation_end(g_task_get_task_data(task));
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, answer, free_answer);
    g_object_unref(task);
}

static GCancellable *
cancellable_of(GTask *task)
{
    return operation_cancellable(g_task_get_task_data(task));
}

/* --- programs --- */

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;
    GuestRun *run = guest_run_finish(result, &error);

    end(data, run, (GDestroyNotify)guest_run_free, error);
}

void
core_run_async(Sandbox *sandbox, const GuestStart *start, GBytes *input, GCancellable *caller,
               GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = begin(sandbox, input ? g_bytes_get_size(input) : 0, caller, callback, data);
    GuestStart charged = *start;

    if (!task)
        return;
    charged.budget = operation_budget(g_task_get_task_data(task));
    guest_run_async(instance_link(sandbox->instance), &charged, input, cancellable_of(task), on_run,
                    task);
}

GuestRun *
core_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- tasks --- */

static void
on_task_done(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;
    GBytes *answer = guest_task_finish(result, &error);

    end(data, answer, (GDestroyNotify)g_bytes_unref, error);
}

void
core_task_async(Sandbox *sandbox, const char *const *argv, const char *user, GCancellable *caller,
                GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = begin(sandbox, /* size= */ 0, caller, callback, data);

    if (task)
        guest_task_async(instance_link(sandbox->instance), argv, user,
                         operation_budget(g_task_get_task_data(task)), cancellable_of(task),
                         on_task_done, task);
}

GBytes *
core_task_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- code --- */

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;
    GuestExecution *execution = guest_interpreter_execute_finish(NULL, result, &error);

    end(data, execution, (GDestroyNotify)guest_execution_free, error);
}

void
core_execute_async(Sandbox *sandbox, Context *context, const GuestCode *code, GCancellable *caller,
                   GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = begin(sandbox, strlen(code->code), caller, callback, data);
    GuestCode charged = *code;

    if (!task)
        return;
    charged.budget = operation_budget(g_task_get_task_data(task));
    guest_interpreter_execute_async(context->interpreter, &charged, cancellable_of(task),
                                    on_executed, task);
}

GuestExecution *
core_execute_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
