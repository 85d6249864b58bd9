/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oneshot: create, execute, end: one piece of code in a sandbox of its own. */
#include "oneshot.h"

#include <string.h>

#include "contexts.h"
#include "core-private.h"
#include "error.h"
#include "languages.h"
#include "operation.h"
#include "registry.h"

typedef struct {
    Core *core;
    guint32 owner;
    Operation *operation;
    char *language, *code;
    GuestCode guest_code;
} OneShot;

static void
oneshot_free(gpointer data)
{
    OneShot *shot = data;

    operation_end(shot->operation);
    g_free(shot->language);
    g_free(shot->code);
    g_free(shot);
}

static void
on_abandoned(gpointer data)
{
    OneShot *shot = data;

    operation_end(g_steal_pointer(&shot->operation));
}

static const OperationEvents operation_events = {.abandoned = on_abandoned};

static void
end_sandbox(GTask *task)
{
    OneShot *shot = g_task_get_task_data(task);
    gboolean left = g_cancellable_is_cancelled(g_task_get_cancellable(task));
    Sandbox *sandbox = shot->operation ? operation_sandbox(shot->operation) : NULL;

    if (sandbox)
        core_end(shot->core, sandbox, left ? END_CALLER_LEFT : END_KILLED, NULL);
}

/* Takes the task and the error. */
static void
end_with_error(GTask *task, GError *error)
{
    end_sandbox(task);
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const OneShot *shot = g_task_get_task_data(task);
    GError *error = NULL;
    GuestExecution *execution = guest_interpreter_execute_finish(NULL, result, &error);

    if (!execution) {
        if (shot->core->is_stopping) { /* this is the reason, and calling again helps */
            g_clear_error(&error);
            registry_check_running(shot->core, &error);
        }
        end_with_error(task, error);
        return;
    }
    g_task_return_pointer(task, execution, (GDestroyNotify)guest_execution_free);
    end_sandbox(task);
    g_object_unref(task);
}

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    OneShot *shot = g_task_get_task_data(task);
    GError *error = NULL;
    Sandbox *sandbox;
    Context *context;
    const Viewer viewer = {.uid = shot->owner};
    g_autofree char *id = core_create_finish(shot->core, result, &error);

    if (!id) {
        end_with_error(task, error);
        return;
    }
    sandbox = core_find(shot->core, &viewer, id, &error);
    if (sandbox)
        operation_enter(shot->operation, sandbox);
    context = sandbox ? core_default_context(sandbox, shot->language, &error) : NULL;
    if (context)
        guest_interpreter_execute_async(context->interpreter, &shot->guest_code,
                                        g_task_get_cancellable(task), on_executed, task);
    else
        end_with_error(task, error);
}

/* Before a machine is taken for it. The creation reports what is wrong with the template itself. */
static gboolean
check_language(Core *core, guint32 owner, const CreateRequest *request, const char *language,
               GError **error)
{
    const Viewer viewer = {.uid = owner};
    const char *name = request->template ? request->template : core->config.default_template;
    const Template *found =
        request->snapshot ? core_find_snapshot(core, &viewer, request->snapshot, /* error= */ NULL)
                          : templates_find(core->templates, name);

    return !found || found->state == TEMPLATE_FAILED ||
           sandbox_check_language(found->name, found->languages, language, error);
}

void
core_run_code_async(Core *core, guint32 owner, const CreateRequest *request, const char *language,
                    const GuestCode *code, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    CreateRequest one_shot = *request;
    OneShot *shot;
    GError *error = NULL;

    if (!registry_check_running(core, &error) ||
        !check_language(core, owner, request, language, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    shot = g_new0(OneShot, 1);
    shot->core = core;
    shot->owner = owner;
    shot->language = g_strdup(language);
    shot->code = g_strdup(code->code);
    shot->guest_code = *code;
    shot->guest_code.code = shot->code;
    shot->guest_code.dialect = languages_dialect(shot->language);
    shot->guest_code.environment = NULL; /* the sandbox's is the code's */
    shot->guest_code.drains = TRUE;      /* nothing that it leaves could go on later */
    g_task_set_task_data(task, shot, oneshot_free);
    shot->operation = operation_begin_outside(core, owner, cancellable, &error);
    if (!shot->operation || !operation_hold(shot->operation, 3 * strlen(shot->code), &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    shot->guest_code.budget = operation_budget(shot->operation);
    operation_watch(shot->operation, &operation_events, shot);
    one_shot.is_one_shot = TRUE;
    core_create_async(core, owner, &one_shot, cancellable, on_created, task);
}

GuestExecution *
core_run_code_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
