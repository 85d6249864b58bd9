/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fork: a snapshot that is counted as removed from the beginning, and sandboxes of it.
 *
 * Its state is removed when the last child was started. Its disk, which is below the disks of the
 * children, goes with the last of them.
 */
#include "fork.h"

#include "core-private.h"
#include "create.h"
#include "error.h"
#include "lifespan.h"
#include "network.h"
#include "registry.h"
#include "snapshot-make.h"
#include "snapshots.h"

/* Children that start at the same time, because each counts as a creation under way. */
#define STARTS_MAX 4u

typedef struct {
    Core *core;
    guint32 owner;
    guint count, begun, finished;
    char **names; /* or NULL */
    guint64 timeout_s;
    char **metadata, **environment;
    Template *snapshot; /* a reference; NULL: not taken yet */
    ForkResult *result;
} Fork;

void
fork_result_free(ForkResult *result)
{
    if (!result)
        return;
    g_ptr_array_unref(result->ids);
    g_ptr_array_unref(result->errors);
    g_free(result);
}

static ForkResult *
fork_result_new(void)
{
    ForkResult *result = g_new0(ForkResult, 1);

    result->ids = g_ptr_array_new_with_free_func(g_free);
    result->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    return result;
}

static void
fork_free(gpointer data)
{
    Fork *fork = data;
    Host *host = &fork->core->host;

    template_unref(fork->snapshot);
    g_strfreev(fork->names);
    g_strfreev(fork->metadata);
    g_strfreev(fork->environment);
    fork_result_free(fork->result);
    g_free(fork);
    host_release(host);
}

/* Nobody knows the children of a caller that has left. */
static void
end_children(const Fork *fork)
{
    for (guint i = 0; i < fork->result->ids->len; i++) {
        Sandbox *sandbox = registry_lookup(fork->core, fork->result->ids->pdata[i]);

        if (sandbox)
            core_end(fork->core, sandbox, END_CALLER_LEFT, /* detail= */ NULL);
    }
}

/* Only here, because the pool calls on_child(). */
static void
on_state_dropped(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Fork *fork = g_task_get_task_data(task);

    snapshots_close_pool(fork->core->snapshots, fork->snapshot);
    snapshots_drop_state_finish(result);
    if (g_cancellable_is_cancelled(g_task_get_cancellable(task)))
        end_children(fork);
    g_task_return_pointer(task, g_steal_pointer(&fork->result), (GDestroyNotify)fork_result_free);
    g_object_unref(task);
}

static void begin_child(GTask *task);

static void
on_child(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Fork *fork = g_task_get_task_data(task);
    GError *error = NULL;
    char *id = core_create_finish(fork->core, result, &error);

    if (id)
        g_ptr_array_add(fork->result->ids, id);
    else
        g_ptr_array_add(fork->result->errors, error);
    if (fork->begun < fork->count)
        begin_child(task);
    if (++fork->finished == fork->count)
        snapshots_drop_state_async(fork->core->snapshots, fork->snapshot, on_state_dropped, task);
}

/* The network of the original, and of its template, is not that of the children: the caller was not
 * asked about it. */
static void
begin_child(GTask *task)
{
    Fork *fork = g_task_get_task_data(task);
    g_autoptr(NetPolicy) off = net_policy_new();
    const NetworkRequest network = {.policy = off};
    const CreateRequest request = {
        .from = fork->snapshot,
        .name = fork->names ? fork->names[fork->begun] : "",
        .timeout_s = fork->timeout_s,
        .metadata = fork->metadata,
        .environment = fork->environment,
        .network = &network,
    };

    fork->begun++;
    core_create_async(fork->core, fork->owner, &request, g_task_get_cancellable(task), on_child,
                      task);
}

static void
on_taken(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Fork *fork = g_task_get_task_data(task);
    GError *error = NULL;

    fork->snapshot = core_snapshot_finish(result, &error);
    if (!fork->snapshot) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    snapshots_open_pool(fork->core->snapshots, fork->snapshot);
    fork->result = fork_result_new();
    for (guint i = MIN(fork->count, STARTS_MAX); i > 0; i--)
        begin_child(task);
}

static gboolean
check_request(const Core *core, const ForkRequest *request, GError **error)
{
    if (request->count >= 1 && request->count <= FORK_MAX)
        return core_check_timeout(core, request->timeout_s, error);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "count: it must be from 1 to %u, not %u", FORK_MAX, request->count);
    return FALSE;
}

static Fork *
fork_new(Core *core, const Sandbox *sandbox, const ForkRequest *request)
{
    Fork *fork = g_new0(Fork, 1);

    fork->core = core;
    fork->owner = sandbox->owner;
    fork->count = request->count;
    fork->names = g_strdupv((char **)request->names);
    fork->timeout_s = request->timeout_s;
    fork->metadata = g_strdupv(request->metadata);
    fork->environment = g_strdupv(request->environment);
    host_hold(&core->host);
    return fork;
}

void
core_fork_async(Core *core, Sandbox *sandbox, const ForkRequest *request, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer data)
{
    const SnapshotRequest hidden = {.name = "", .description = "", .is_hidden = TRUE};
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;

    g_task_set_check_cancellable(task, FALSE);
    if (!check_request(core, request, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_task_set_task_data(task, fork_new(core, sandbox, request), fork_free);
    core_snapshot_async(core, sandbox, &hidden, on_taken, task);
}

ForkResult *
core_fork_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
