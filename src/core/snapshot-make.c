/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot-make: takes snapshots of running sandboxes.
 *
 * The agent stops the processes, so that none of them reads the old time or randomness when the
 * snapshot is restored. Then cloche-vm stops the processors and writes what the machine has
 * changed, the disk is copied, and the machine continues. All the rest happens behind that. What
 * fails is undone, and never ends the sandbox.
 */
#include "snapshot-make.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "account.h"
#include "core-private.h"
#include "error.h"
#include "instance-private.h"
#include "journal.h"
#include "network-private.h"
#include "registry.h"
#include "sandbox-clock.h"
#include "snapshots.h"
#include "util.h"
#include "wake.h"

#define MIB ((guint64)1024 * 1024)
#define BLOCK_BYTES 512 /* of st_blocks */

typedef struct {
    Core *core;
    char *sandbox_id, *disk;
    Snapshot *snapshot;
    TemplateFiles *base;
    Template *origin;     /* a reference: of the machine, so that the files of the base stay */
    QuotaAmounts charged; /* at first the most that it can take */
    int capture;          /* descriptor, or -1 */
    gboolean is_frozen;
    GError *error; /* the first one */
} Making;

static void
making_free(gpointer data)
{
    Making *making = data;
    Host *host = &making->core->host;

    g_hash_table_remove(making->core->snapshotting, making->sandbox_id);
    g_free(making->sandbox_id);
    g_free(making->disk);
    snapshot_free(making->snapshot);
    template_files_free(making->base);
    template_unref(making->origin);
    g_clear_error(&making->error);
    g_free(making);
    host_release(host);
}

/* Keeps the first error. Takes it. */
static void
note(Making *making, GError *error)
{
    if (making->error)
        g_error_free(error);
    else
        making->error = error;
}

/* The sandbox may have ended; then its instance is gone, and what is under way in it has failed. */
static Sandbox *
find_sandbox(const Making *making)
{
    Sandbox *sandbox = registry_lookup(making->core, making->sandbox_id);

    return sandbox && sandbox->instance ? sandbox : NULL;
}

static Instance *
find_instance(const Making *making)
{
    const Sandbox *sandbox = find_sandbox(making);

    return sandbox ? sandbox->instance : NULL;
}

static void
note_end(Making *making)
{
    note(making,
         g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                     "sandbox '%s' ended while the snapshot was taken", making->sandbox_id));
}

/* --- behind the moment --- */

static void
run_in_thread(GTask *task, GTaskThreadFunc part, GAsyncReadyCallback done)
{
    g_autoptr(GTask) thread = g_task_new(NULL, NULL, done, task);

    g_task_set_task_data(thread, g_task_get_task_data(task), NULL);
    g_task_run_in_thread(thread, part);
}

static void
return_part(GTask *task, gboolean ok, GError *error)
{
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
discard_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    snapshot_discard(((const Making *)data)->snapshot);
    g_task_return_boolean(task, TRUE);
}

static void
on_discarded(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Making *making = g_task_get_task_data(task);

    quota_release(making->core->quota, making->snapshot->owner, &making->charged);
    g_task_return_error(task, g_steal_pointer(&making->error));
    g_object_unref(task);
}

/* Its owner pays for what it takes, not for what it might have taken. */
static void
settle_charge(Making *making)
{
    const QuotaAmounts amounts = snapshot_amounts(making->snapshot);
    guint32 owner = making->snapshot->owner;

    quota_charge_anyway(making->core->quota, owner, &amounts);
    quota_release(making->core->quota, owner, &making->charged);
}

static void
on_committed(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Making *making = g_task_get_task_data(task);
    Core *core = making->core;
    GError *error = NULL;
    Template *template;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        note(making, error);
        run_in_thread(task, discard_in_thread, on_discarded);
        return;
    }
    settle_charge(making);
    if (!making->snapshot->is_removed)
        journal_snapshot_taken(making->snapshot);
    template = snapshots_add(core->snapshots, g_steal_pointer(&making->snapshot),
                             making->origin->snapshot ? template_ref(making->origin) : NULL);
    template_finish(template); /* its parts were verified, and its base is in use */
    g_task_return_pointer(task, template, (GDestroyNotify)template_unref);
    g_object_unref(task);
}

static void
commit_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Making *making = data;
    GError *error = NULL;
    gboolean ok = snapshot_commit(making->snapshot, making->base, &error);

    return_part(task, ok, error);
}

/* --- the moment --- */

static void
conclude(GTask *task)
{
    Making *making = g_task_get_task_data(task);

    if (making->capture >= 0)
        close(making->capture);
    making->capture = -1;
    if (making->error)
        run_in_thread(task, discard_in_thread, on_discarded);
    else
        run_in_thread(task, commit_in_thread, on_committed);
}

/* The answer is not waited for: a machine that is held by now, because the disk is full, answers
 * when there is room, which the removal of the staging folder may make. */
static void
thaw(GTask *task)
{
    Making *making = g_task_get_task_data(task);
    Sandbox *sandbox = find_sandbox(making);

    if (!sandbox) {
        note_end(making);
    } else if (making->is_frozen) {
        wake_anyway(sandbox);
        sandbox_clock_set(sandbox); /* it is behind by the time that the machine stood still */
    }
    conclude(task);
}

static void
on_released(GObject *source, GAsyncResult *result, gpointer data)
{
    Making *making = g_task_get_task_data(data);
    Instance *instance = find_instance(making);
    GError *error = NULL;

    if (instance && !machine_release_finish(instance->machine, result, &error))
        note(making, error);
    thaw(data);
}

static void
on_copied(GObject *source, GAsyncResult *result, gpointer data)
{
    Making *making = g_task_get_task_data(data);
    Instance *instance = find_instance(making);
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error))
        note(making, error);
    if (instance)
        machine_release_async(instance->machine, on_released, data);
    else
        thaw(data);
}

static void
copy_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Making *making = data;
    GError *error = NULL;
    gboolean ok = snapshot_copy_disk(making->snapshot, making->disk, &error);

    return_part(task, ok, error);
}

static void
on_captured(GObject *source, GAsyncResult *result, gpointer data)
{
    Making *making = g_task_get_task_data(data);
    Instance *instance = find_instance(making);
    GError *error = NULL;

    if (!instance) {
        thaw(data);
    } else if (machine_capture_finish(instance->machine, result, &error)) {
        run_in_thread(data, copy_in_thread, on_copied);
    } else {
        note(making, error);
        thaw(data);
    }
}

static void
on_frozen(GObject *source, GAsyncResult *result, gpointer data)
{
    Making *making = g_task_get_task_data(data);
    Instance *instance = find_instance(making);
    GError *error = NULL;

    if (instance)
        making->is_frozen = guest_link_freeze_finish(instance->link, result, &error);
    if (error)
        note(making, error);
    if (making->is_frozen)
        machine_capture_async(instance->machine, making->capture, on_captured, data);
    else
        thaw(data);
}

static void
stage_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Making *making = data;
    GError *error = NULL;

    making->capture = snapshot_stage(making->snapshot, &error);
    return_part(task, making->capture >= 0, error);
}

static void
on_staged(GObject *source, GAsyncResult *result, gpointer data)
{
    Making *making = g_task_get_task_data(data);
    Instance *instance = find_instance(making);
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error))
        note(making, error);
    else if (instance && instance_is_held(instance)) /* nobody knows until when it would wait */
        note(making,
             g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                         "sandbox '%s' was stopped before the snapshot was taken; try again",
                         making->sandbox_id));
    if (!making->error && instance)
        guest_link_freeze_async(instance->link, on_frozen, data);
    else
        thaw(data);
}

/* --- the request --- */

static gboolean
check_state(Core *core, const Sandbox *sandbox, GError **error)
{
    const Template *template = instance_template(sandbox->instance);

    if (sandbox->state != SANDBOX_RUNNING || instance_is_stalled(sandbox->instance))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "sandbox '%s' stands still, because this host has no disk space for it; try "
                    "again",
                    sandbox->id);
    else if (g_hash_table_contains(core->snapshotting, sandbox->id))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "a snapshot of sandbox '%s' is being taken; try again", sandbox->id);
    else if (!template_key(template))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "an earlier version of the service has started sandbox '%s'", sandbox->id);
    else if (sandbox->snapshot && !template->snapshot)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "the snapshot that sandbox '%s' began from is damaged", sandbox->id);
    else if (template->snapshot && template->snapshot->depth >= SNAPSHOT_DEPTH_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "sandbox '%s' lies on %u snapshots already", sandbox->id, SNAPSHOT_DEPTH_MAX);
    else
        return TRUE;
    return FALSE;
}

/* The most that the snapshot can take: all of the memory, and what the disk takes now. */
static guint64
most_bytes(const Sandbox *sandbox)
{
    g_autofree char *disk = instance_disk(sandbox->instance);
    struct stat st;
    guint64 disk_bytes = stat(disk, &st) == 0 ? (guint64)st.st_blocks * BLOCK_BYTES : 0;

    return sandbox->memory_mib * MIB + disk_bytes;
}

static gboolean
check_room(const Core *core, guint64 bytes, GError **error)
{
    struct statvfs fs;
    guint64 left;

    if (statvfs(core->host.store->state, &fs) < 0)
        return TRUE;
    left = (guint64)fs.f_bavail * fs.f_frsize;
    if (bytes <= left)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "The host's disk has no room for a snapshot: it may take %" G_GUINT64_FORMAT
                " MiB, %" G_GUINT64_FORMAT " MiB are free",
                (bytes + MIB - 1) / MIB, left / MIB);
    return FALSE;
}

static gboolean
read_base(Snapshot *snapshot, const Template *template, GError **error)
{
    snapshot->template = g_strdup(template->name);
    snapshot->key = g_strdup(template_key(template));
    return template_files_read_conf(template->files, &snapshot->image, &snapshot->accelerator,
                                    error);
}

static Snapshot *
snapshot_of(const Core *core, const Sandbox *sandbox, const SnapshotRequest *request,
            GError **error)
{
    const Template *template = instance_template(sandbox->instance);
    g_autofree char *id = util_new_id();
    g_autoptr(Snapshot) snapshot = snapshot_new(core->host.store, id);
    const NetPolicy *network = sandbox->network->base;

    snapshot->name = g_strdup(request->name);
    snapshot->description = g_strdup(request->description);
    snapshot->is_removed = request->is_hidden;
    snapshot->owner = sandbox->owner;
    snapshot->created_us = g_get_real_time();
    snapshot->sandbox = g_strdup(sandbox->id);
    snapshot->parent = template->snapshot ? g_strdup(template->snapshot->id) : NULL;
    snapshot->depth = template->snapshot ? template->snapshot->depth + 1 : 1;
    snapshot->user = g_strdup(sandbox->user);
    snapshot->languages = g_strdupv(sandbox->languages);
    snapshot->vcpus = sandbox->vcpus;
    snapshot->memory_mib = sandbox->memory_mib;
    snapshot->disk_mib = sandbox->disk_mib;
    snapshot->network = network ? net_policy_copy(network) : NULL;
    return read_base(snapshot, template, error) ? g_steal_pointer(&snapshot) : NULL;
}

/* Charges its owner, and makes sure that there is room, before the sandbox stands still. Takes the
 * snapshot. */
static Making *
making_new(Core *core, const Sandbox *sandbox, Snapshot *snapshot, GError **error)
{
    g_autoptr(Snapshot) mine = snapshot;
    const Template *template = instance_template(sandbox->instance);
    guint64 bytes = most_bytes(sandbox);
    QuotaAmounts amounts;
    Making *making;

    mine->size = bytes;
    amounts = snapshot_amounts(mine);
    if (!check_room(core, bytes, error) ||
        !account_charge(core->quota, sandbox->owner, &amounts, error))
        return NULL;
    making = g_new0(Making, 1);
    making->core = core;
    making->sandbox_id = g_strdup(sandbox->id);
    making->disk = instance_disk(sandbox->instance);
    making->snapshot = g_steal_pointer(&mine);
    making->base = template_files_new(core->host.store, template->name, template_key(template),
                                      making->snapshot->image, making->snapshot->accelerator);
    making->origin = template_ref((Template *)template);
    making->charged = amounts;
    making->capture = -1;
    g_hash_table_add(core->snapshotting, making->sandbox_id);
    host_hold(&core->host);
    return making;
}

void
core_snapshot_async(Core *core, Sandbox *sandbox, const SnapshotRequest *request,
                    GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Snapshot *snapshot = NULL;
    Making *making = NULL;
    GError *error = NULL;

    if (registry_check_running(core, &error) && check_state(core, sandbox, &error))
        snapshot = snapshot_of(core, sandbox, request, &error);
    if (snapshot)
        making = making_new(core, sandbox, snapshot, &error);
    if (!making) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_task_set_task_data(task, making, making_free);
    run_in_thread(task, stage_in_thread, on_staged);
}

Template *
core_snapshot_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
