/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* startup: a template's own code. */
#include "startup.h"

#include "error.h"

#define TIMEOUT_MS 300000

typedef struct {
    const Template *template;
    GPtrArray *contexts;
    guint next;
} Startup;

static void
startup_free(gpointer data)
{
    Startup *startup = data;

    g_ptr_array_unref(startup->contexts);
    g_free(startup);
}

static const char *
say_status(const GuestExecution *execution)
{
    switch (execution->status) {
    case GUEST_EXECUTION_TIMED_OUT:
        return "was not done within 300 seconds";
    case GUEST_EXECUTION_INTERRUPTED:
        return "was interrupted";
    default:
        return "failed";
    }
}

static GError *
startup_error(const Startup *startup, const GuestExecution *execution)
{
    const Context *context = startup->contexts->pdata[startup->next - 1];
    g_autofree char *why =
        execution->error_name
            ? g_strdup_printf(": %s: %s", execution->error_name, execution->error_value)
            : g_strdup("");

    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "Startup.%s of the image %s%s",
                       context->language, say_status(execution), why);
}

static void run_next(GTask *task);

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);

    if (execution && execution->status != GUEST_EXECUTION_OK)
        error = startup_error(g_task_get_task_data(task), execution);
    if (!error) {
        run_next(task);
        return;
    }
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void
run_next(GTask *task)
{
    Startup *startup = g_task_get_task_data(task);

    while (startup->next < startup->contexts->len) {
        Context *context = startup->contexts->pdata[startup->next++];
        GuestCode code = {
            .code = g_hash_table_lookup(startup->template->startup, context->language),
            .timeout_ms = TIMEOUT_MS,
            .silent = TRUE,
            .no_history = TRUE,
        };

        if (!code.code)
            continue;
        guest_interpreter_execute_async(context->interpreter, &code, /* cancellable= */ NULL,
                                        on_run, task);
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

void
startup_async(const Template *template, GPtrArray *contexts, GAsyncReadyCallback callback,
              gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Startup *startup = g_new0(Startup, 1);

    startup->template = template;
    startup->contexts = g_ptr_array_ref(contexts);
    g_task_set_task_data(task, startup, startup_free);
    run_next(task);
}

gboolean
startup_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
