/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry: the sandboxes that run, those that did, and the one place where they end. */
#include "registry.h"

#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "lifespan.h"
#include "network-private.h"
#include "process.h"
#include "sandbox-clock.h"
#include "settle.h"
#include "util.h"
#include "wake.h"

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
    lifespan_clear(sandbox);
    sandbox_free(sandbox);
}

void
core_end(Core *core, Sandbox *sandbox, EndReason reason, const char *detail)
{
    g_autofree char *why = NULL;

    if (!sandbox_change(sandbox, event_of(reason)))
        return;
    sandbox->end_reason = reason;
    lifespan_stop(sandbox);
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
on_lost(Instance *instance, EndReason why, gpointer data)
{
    Sandbox *sandbox = data;

    core_end(sandbox->core, sandbox, why, /* detail= */ NULL);
}

/* Whoever has begun the sandbox, or takes a snapshot of it, thaws it at the right moment. */
void
registry_thaw(const Sandbox *sandbox)
{
    if (!sandbox->is_beginning && !g_hash_table_contains(sandbox->core->snapshotting, sandbox->id))
        wake_anyway(sandbox);
}

static void
on_stalled(Instance *instance, gboolean is_stalled, gpointer data)
{
    Sandbox *sandbox = data;

    if (is_stalled ? sandbox->state != SANDBOX_PAUSED : sandbox->is_stalled) {
        sandbox->is_stalled = is_stalled;
        journal_stalled(sandbox, is_stalled);
    }
    if (!is_stalled) {
        sandbox_clock_set(sandbox); /* before any call that waits */
        registry_thaw(sandbox);
        sandbox->is_waking = FALSE;
    }
    settle_wake(sandbox->core, sandbox->id);
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
    lifespan_start(sandbox);
    if (sandbox->instance)
        registry_use_instance(sandbox, sandbox->instance);
    g_hash_table_insert(core->sandboxes, sandbox->id, sandbox);
    disk_watch_begin(core->disk_watch);
    core->events->sandbox_added(sandbox, core->events_data);
    core_notify(core);
    network_go_on(sandbox->network);
}

void
registry_write_record_async(Core *core, const Sandbox *sandbox, GAsyncReadyCallback callback,
                            gpointer data)
{
    const Network *network = sandbox->network;
    const NetPolicy *policy = network_recorded_policy(network);
    const Lifespan *life = sandbox->is_changing ? &sandbox->next_life : &sandbox->life;
    const Record record = {
        .id = sandbox->id,
        .name = sandbox->name,
        .template = sandbox->template,
        .template_key = (char *)template_key(instance_template(sandbox->instance)),
        .snapshot = sandbox->snapshot,
        .owner = sandbox->owner,
        .created_us = sandbox->created_us,
        .born_us = sandbox->born_us,
        .deadline_us = life->deadline_us,
        .timeout_s = life->timeout_s,
        .paused_since_us = life->paused_since_us,
        .paused_us = life->paused_us,
        .pauses_on_timeout = sandbox->pauses_on_timeout,
        .resumes_for_calls = sandbox->resumes_for_calls,
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
        .is_one_shot =
            sandbox->is_one_shot || sandbox->is_beginning, /* nobody else can finish it */
        .network = policy->mode != NET_OFF ? (NetPolicy *)policy : NULL,
        .network_base = network->base,
        .network_closed = network->is_spent ? network->reason : NULL,
    };

    record_writer_write_async(core->record_writer, &record, callback, data);
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
    lifespan_stop(sandbox);
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
    /* Nobody else could give the result of a one-shot to its caller, or reseed what begins. */
    if (core->leaves_sandboxes && !sandbox->is_one_shot && !sandbox->is_beginning)
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
