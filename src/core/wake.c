/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wake: what begins to run again in a sandbox that was restored from a snapshot.
 *
 * The agent has stopped all processes before the snapshot, and has answered the claim meanwhile. So
 * identity, clock and randomness are new before any instruction of them is executed.
 */
#include "wake.h"

#include "contexts.h"
#include "core-private.h"
#include "error.h"
#include "process.h"
#include "registry.h"
#include "task.h"

typedef struct {
    Core *core;
    char *id;
    char **environment;
} Wake;

static void
wake_free(gpointer data)
{
    Wake *wake = data;
    Host *host = &wake->core->host;

    g_free(wake->id);
    g_strfreev(wake->environment);
    g_free(wake);
    host_release(host);
}

void
wake_kept(Sandbox *sandbox, GBytes *answer)
{
    GuestRecords records;
    GuestKept kept;

    guest_records_init(&records, answer);
    while (guest_records_next_kept(&records, &kept)) {
        if (!contexts_adopt(sandbox, &kept))
            process_adopt(sandbox, &kept);
        guest_kept_clear(&kept);
    }
}

/* Attaches to the runners that the snapshot has. */
static void
adopt_default_contexts(Sandbox *sandbox)
{
    for (char **language = sandbox->languages; *language; language++) {
        Context *context = instance_default_context(sandbox->instance, *language);

        if (context &&
            guest_interpreter_state(context->interpreter) == GUEST_INTERPRETER_NOT_STARTED)
            guest_interpreter_adopt(context->interpreter);
    }
}

static void
return_lost(GTask *task)
{
    const Wake *wake = g_task_get_task_data(task);

    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                            "sandbox '%s' ended while it was restored", wake->id);
    g_object_unref(task);
}

static Sandbox *
find_sandbox(const Wake *wake)
{
    Sandbox *sandbox = registry_lookup(wake->core, wake->id);

    return sandbox && sandbox->instance ? sandbox : NULL;
}

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;

    if (!record_writer_write_finish(result, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
    } else if (!find_sandbox(g_task_get_task_data(task))) {
        return_lost(task);
    } else {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

/* From now on, the next instance of the service may continue it. */
static void
on_thawed(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const Wake *wake = g_task_get_task_data(task);
    Sandbox *sandbox = find_sandbox(wake);
    GError *error = NULL;

    if (!sandbox) {
        return_lost(task);
    } else if (guest_link_thaw_finish(instance_link(sandbox->instance), result, &error)) {
        sandbox->is_beginning = FALSE;
        registry_write_record_async(wake->core, sandbox, on_recorded, task);
    } else {
        g_task_return_error(task, error);
        g_object_unref(task);
    }
}

static void
on_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const Wake *wake = g_task_get_task_data(task);
    Sandbox *sandbox = find_sandbox(wake);
    GError *error = NULL;
    g_autoptr(GBytes) answer = guest_task_finish(result, &error);

    if (!sandbox || !answer) {
        g_clear_error(&error);
        return_lost(task);
        return;
    }
    adopt_default_contexts(sandbox);
    wake_kept(sandbox, answer);
    instance_reseed(sandbox->instance,
                    *wake->environment ? (const char *const *)wake->environment : NULL);
    guest_link_thaw_async(instance_link(sandbox->instance), on_thawed, task);
}

void
wake_async(Core *core, const Sandbox *sandbox, const char *const *environment,
           GAsyncReadyCallback callback, gpointer data)
{
    static const char *const argv[] = {"kept", NULL};
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Wake *wake = g_new0(Wake, 1);

    wake->core = core;
    wake->id = g_strdup(sandbox->id);
    wake->environment = g_strdupv((char **)environment);
    host_hold(&core->host);
    g_task_set_task_data(task, wake, wake_free);
    guest_task_async(instance_link(sandbox->instance), argv, "root", /* budget= */ NULL,
                     /* cancellable= */ NULL, on_kept, task);
}

gboolean
wake_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Agents that cannot stop processes refuse it, and need it not. */
static void
on_thawed_anyway(GObject *source, GAsyncResult *result, gpointer data)
{
    guest_link_thaw_finish(/* link= */ NULL, result, /* error= */ NULL);
}

void
wake_anyway(const Sandbox *sandbox)
{
    guest_link_thaw_async(instance_link(sandbox->instance), on_thawed_anyway, NULL);
}
