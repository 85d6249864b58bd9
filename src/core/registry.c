/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry: the sandboxes that run, those that did, and the one place where they end. */
#include "registry.h"

#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "network-private.h"
#include "process.h"
#include "sandbox-clock.h"
#include "settle.h"
#include "util.h"

typedef struct {
    char *id;
    guint32 owner;
    EndReason reason;
} Ended;

gboolean
core_may_see(const Viewer *viewer, guint32 owner)
{
    return viewer->uid == owner || viewer->uid == 0 || viewer->sees_all;
}

static void
ended_free(gpointer data)
{
    Ended *ended = data;

    g_free(ended->id);
    g_free(ended);
}

static void
remember(Core *core, const Sandbox *sandbox)
{
    Ended *ended = g_new0(Ended, 1);

    ended->id = g_strdup(sandbox->id);
    ended->owner = sandbox->owner;
    ended->reason = sandbox->end_reason;
    g_queue_push_tail(&core->ended, ended);
    if (core->ended.length > ENDED_KEPT)
        ended_free(g_queue_pop_head(&core->ended));
}

static SandboxEvent
event_of(EndReason reason)
{
    switch (reason) {
    case END_TIMED_OUT:
        return SANDBOX_DEADLINE;
    case END_KILLED:
    case END_CALLER_LEFT:
    case END_SERVICE_STOPPED:
        return SANDBOX_STOP;
    default:
        return SANDBOX_LOST;
    }
}

static void
release_charge(Core *core, const Sandbox *sandbox)
{
    QuotaAmounts amounts = sandbox_amounts(sandbox);

    quota_release(core->quota, sandbox->owner, &amounts);
}

/* Frees it, and what is known of its processes. */
static void
forget(Sandbox *sandbox)
{
    processes_clear(sandbox);
    operations_leave(sandbox);
    sandbox_free(sandbox);
}

void
core_end(Core *core, Sandbox *sandbox, EndReason reason, const char *detail)
{
    g_autofree char *why = NULL;

    if (!sandbox_change(sandbox, event_of(reason)))
        return;
    sandbox->end_reason = reason;
    if (sandbox->deadline)
        deadline_remove(g_steal_pointer(&sandbox->deadline));
    sandbox_clock_stop(sandbox);
    g_hash_table_steal(core->sandboxes, sandbox->id);
    remember(core, sandbox);
    release_charge(core, sandbox);
    journal_ended(sandbox, detail);
    if (sandbox->network)
        network_end(sandbox->network);

    why = g_strdup_printf("sandbox '%s' has ended: %s", sandbox->id, end_reason_name(reason));
    if (sandbox->instance)
        instance_end(g_steal_pointer(&sandbox->instance), why);
    record_writer_remove(core->record_writer, sandbox->id);
    core->events->sandbox_ended(sandbox, core->events_data);
    core_notify(core);
    settle_wake(core, sandbox->id);
    forget(sandbox);
}

static void
on_deadline(gpointer data)
{
    Sandbox *sandbox = data;

    sandbox->deadline = NULL; /* deadline.c frees it */
    core_end(sandbox->core, sandbox, END_TIMED_OUT, /* detail= */ NULL);
}

static void
on_lost(Instance *instance, EndReason why, gpointer data)
{
    Sandbox *sandbox = data;

    core_end(sandbox->core, sandbox, why, /* detail= */ NULL);
}

static void
on_stalled(Instance *instance, gboolean is_stalled, gpointer data)
{
    journal_stalled(data, is_stalled);
    if (!is_stalled)
        sandbox_clock_set(data);
}

static const InstanceEvents instance_events = {on_lost, on_stalled};

void
registry_use_instance(Sandbox *sandbox, Instance *instance)
{
    Quota *quota = sandbox->core->quota;

    sandbox->instance = instance;
    instance_set_owner(instance, quota_buffers(quota, sandbox->owner),
                       quota_large_frames(quota, sandbox->owner));
    sandbox_clock_start(sandbox);
    instance_watch(instance, &instance_events, sandbox);
}

void
registry_add(Core *core, Sandbox *sandbox)
{
    sandbox->core = core;
    core->last_born_us = MAX(core->last_born_us, sandbox->born_us);
    sandbox->deadline = deadline_add(core->deadlines, sandbox->deadline_us, on_deadline, sandbox);
    if (sandbox->instance)
        registry_use_instance(sandbox, sandbox->instance);
    g_hash_table_insert(core->sandboxes, sandbox->id, sandbox);
    disk_watch_begin(core->disk_watch);
    core->events->sandbox_added(sandbox, core->events_data);
    core_notify(core);
    network_go_on(sandbox->network);
}

void
registry_write_record_async(Core *core, const Sandbox *sandbox, gint64 deadline_us,
                            GAsyncReadyCallback callback, gpointer data)
{
    const Network *network = sandbox->network;
    const NetPolicy *policy = network_recorded_policy(network);
    const Record record = {
        .id = sandbox->id,
        .name = sandbox->name,
        .template = sandbox->template,
        .template_key = (char *)template_key(instance_template(sandbox->instance)),
        .owner = sandbox->owner,
        .created_us = sandbox->created_us,
        .born_us = sandbox->born_us,
        .deadline_us = deadline_us,
        .boot_id = (char *)util_boot_id(),
        .metadata = sandbox->metadata,
        .idempotency_key = sandbox->idempotency_key,
        .request_digest = sandbox->request_digest,
        .languages = sandbox->languages,
        .user = sandbox->user,
        .vcpus = sandbox->vcpus,
        .memory_mib = sandbox->memory_mib,
        .disk_mib = sandbox->disk_mib,
        .machine_uid = instance_uid(sandbox->instance),
        .is_one_shot = sandbox->is_one_shot,
        .network = policy->mode != NET_OFF ? (NetPolicy *)policy : NULL,
        .network_base = network->base,
        .network_closed = network->is_spent ? network->reason : NULL,
    };

    record_writer_write_async(core->record_writer, &record, callback, data);
}

/* CLOCHE_ERROR_QUOTA_EXCEEDED unless a sandbox created at `born_us` may live `timeout_s` from now.
 */
static gboolean
check_lifetime(const Core *core, gint64 born_us, guint64 timeout_s, GError **error)
{
    guint64 age_s = (guint64)(util_boottime_us() - born_us) / G_USEC_PER_SEC;
    guint64 most_s = core->config.lifetime_max_s;

    if (age_s <= most_s && timeout_s <= most_s - age_s)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "The limit lifetime is %" G_GUINT64_FORMAT " seconds from the creation on: a "
                "timeout of %" G_GUINT64_FORMAT " seconds is too long, at most %" G_GUINT64_FORMAT
                " are left; ask an administrator to raise LifetimeSec in [Limits] of cloched.conf",
                most_s, timeout_s, age_s < most_s ? most_s - age_s : 0);
    return FALSE;
}

gboolean
core_check_timeout(const Core *core, guint64 timeout_s, GError **error)
{
    if (timeout_s >= 1 && timeout_s <= SANDBOX_TIMEOUT_MAX_S)
        return check_lifetime(core, util_boottime_us(), timeout_s, error);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "timeout must be from 1 to %llu seconds, not %" G_GUINT64_FORMAT,
                SANDBOX_TIMEOUT_MAX_S, timeout_s);
    return FALSE;
}

Sandbox *
registry_lookup(const Core *core, const char *id)
{
    return g_hash_table_lookup(core->sandboxes, id);
}

static const Ended *
find_ended(const Core *core, const char *id)
{
    for (GList *l = core->ended.tail; l; l = l->prev)
        if (g_str_equal(((const Ended *)l->data)->id, id))
            return l->data;
    return NULL;
}

gboolean
core_is_owner(Core *core, guint32 uid, const char *id)
{
    const Sandbox *sandbox = registry_lookup(core, id);
    const Ended *ended = sandbox ? NULL : find_ended(core, id);

    return sandbox ? sandbox->owner == uid : ended && ended->owner == uid;
}

gboolean
registry_check_running(const Core *core, GError **error)
{
    if (!core->is_stopping)
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                        "The service is stopping or restarting: call again");
    return FALSE;
}

Sandbox *
core_find(Core *core, const Viewer *viewer, const char *id, GError **error)
{
    Sandbox *sandbox = registry_lookup(core, id);
    const Ended *ended;
    const char *reason = NULL;
    g_autofree char *shown = NULL;

    if (sandbox && core_may_see(viewer, sandbox->owner))
        return sandbox;
    if (!registry_check_running(core, error))
        return NULL;
    ended = find_ended(core, id);
    if (ended && core_may_see(viewer, ended->owner))
        reason = end_reason_name(ended->reason);
    shown = g_strndup(id, 64);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX,
                reason ? "sandbox '%s' has ended: %s" : "there is no sandbox '%s'%s", shown,
                reason ? reason : "");
    return NULL;
}

Sandbox *
registry_find_key(Core *core, guint32 owner, const char *key)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, core->sandboxes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Sandbox *sandbox = value;

        if (sandbox->owner == owner && g_strcmp0(sandbox->idempotency_key, key) == 0)
            return sandbox;
    }
    return NULL;
}

typedef struct {
    Core *core;
    char *sandbox_id;
    guint64 timeout_s;
    gint64 deadline_us;
} TimeoutChange;

static void
change_free(gpointer data)
{
    TimeoutChange *change = data;

    g_free(change->sandbox_id);
    g_free(change);
}

static void
apply_timeout(Core *core, Sandbox *sandbox, const TimeoutChange *change)
{
    sandbox->deadline_us = change->deadline_us;
    deadline_remove(sandbox->deadline);
    sandbox->deadline = deadline_add(core->deadlines, sandbox->deadline_us, on_deadline, sandbox);
    sandbox_clock_set(sandbox);
    journal_extended(sandbox, change->timeout_s);
    core->events->sandbox_changed(sandbox, core->events_data);
}

/* The sandbox may have ended meanwhile. */
static void
on_timeout_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const TimeoutChange *change = g_task_get_task_data(task);
    const Viewer service = {.sees_all = TRUE};
    Sandbox *sandbox = NULL;
    GError *error = NULL;

    if (record_writer_write_finish(result, &error))
        sandbox = core_find(change->core, &service, change->sandbox_id, &error);
    if (!sandbox) {
        g_task_return_error(task, error);
        return;
    }
    apply_timeout(change->core, sandbox, change);
    g_task_return_boolean(task, TRUE);
}

void
core_set_timeout_async(Core *core, Sandbox *sandbox, guint64 timeout_s,
                       GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    TimeoutChange *change;
    GError *error = NULL;

    if (!core_check_timeout(core, timeout_s, &error) ||
        !check_lifetime(core, sandbox->born_us, timeout_s, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    change = g_new0(TimeoutChange, 1);
    change->core = core;
    change->sandbox_id = g_strdup(sandbox->id);
    change->timeout_s = timeout_s;
    change->deadline_us = util_boottime_us() + (gint64)timeout_s * G_USEC_PER_SEC;
    g_task_set_task_data(task, change, change_free);
    registry_write_record_async(core, sandbox, change->deadline_us, on_timeout_recorded, task);
}

gboolean
core_set_timeout_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static int
compare_ages(gconstpointer a, gconstpointer b)
{
    const Sandbox *x = *(Sandbox *const *)a, *y = *(Sandbox *const *)b;

    return (x->born_us > y->born_us) - (x->born_us < y->born_us);
}

GPtrArray *
core_list(Core *core)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer sandbox;

    g_hash_table_iter_init(&iter, core->sandboxes);
    while (g_hash_table_iter_next(&iter, NULL, &sandbox))
        g_ptr_array_add(all, sandbox);
    g_ptr_array_sort(all, compare_ages);
    return all;
}

static void
leave(Core *core, Sandbox *sandbox)
{
    journal_left(sandbox);
    g_hash_table_steal(core->sandboxes, sandbox->id);
    deadline_remove(g_steal_pointer(&sandbox->deadline));
    sandbox_clock_stop(sandbox);
    network_leave(sandbox->network);
    core->host.machines_stay = TRUE; /* also one that is being adopted */
    if (sandbox->instance)
        instance_leave(g_steal_pointer(&sandbox->instance));
    settle_wake(core, sandbox->id);
    forget(sandbox);
}

void
registry_stop(Core *core, Sandbox *sandbox)
{
    /* Nobody else could give the result of a one-shot to its caller. */
    if (core->leaves_sandboxes && !sandbox->is_one_shot)
        leave(core, sandbox);
    else
        core_end(core, sandbox, END_SERVICE_STOPPED, /* detail= */ NULL);
}

void
registry_stop_all(Core *core)
{
    g_autoptr(GPtrArray) all = core_list(core);

    for (guint i = 0; i < all->len; i++)
        registry_stop(core, all->pdata[i]);
}

void
registry_clear(Core *core)
{
    g_queue_clear_full(&core->ended, ended_free);
    g_hash_table_unref(core->sandboxes);
}
