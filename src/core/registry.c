/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry: the sandboxes that run, those that did, and the one place where they end. */
#include "core-private.h"
#include "error.h"
#include "util.h"

gboolean
core_may_see(guint32 uid, guint32 owner)
{
    return uid == owner || uid == 0;
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

void
core_end(Core *core, Sandbox *sandbox, EndReason reason)
{
    g_autofree char *why = NULL;

    if (!sandbox_change(sandbox, event_of(reason)))
        return;
    sandbox->end_reason = reason;
    if (sandbox->deadline)
        deadline_remove(g_steal_pointer(&sandbox->deadline));
    g_hash_table_steal(core->sandboxes, sandbox->id);
    remember(core, sandbox);
    g_message("Sandbox %s of uid %u has ended: %s", sandbox->id, sandbox->owner,
              end_reason_name(reason));

    why = g_strdup_printf("sandbox '%s' has ended: %s", sandbox->id, end_reason_name(reason));
    instance_end(g_steal_pointer(&sandbox->instance), why);
    record_remove(core->host.store, sandbox->id);
    core->events->sandbox_ended(sandbox, core->events_data);
    sandbox_free(sandbox);
}

static void
on_deadline(gpointer data)
{
    Sandbox *sandbox = data;

    sandbox->deadline = NULL; /* it is over, says deadline.h */
    core_end(sandbox->core, sandbox, END_TIMED_OUT);
}

static void
on_lost(Instance *instance, EndReason why, gpointer data)
{
    Sandbox *sandbox = data;

    core_end(sandbox->core, sandbox, why);
}

void
registry_add(Core *core, Sandbox *sandbox)
{
    sandbox->core = core;
    sandbox->serial = ++core->last_serial;
    sandbox->deadline = deadline_add(core->deadlines, sandbox->deadline_us, on_deadline, sandbox);
    instance_watch(sandbox->instance, on_lost, sandbox);
    g_hash_table_insert(core->sandboxes, sandbox->id, sandbox);
    g_message("Sandbox %s of uid %u runs, template %s", sandbox->id, sandbox->owner,
              sandbox->template);
    core->events->sandbox_added(sandbox, core->events_data);
}

gboolean
registry_write_record(Core *core, const Sandbox *sandbox, GError **error)
{
    Record record = {
        .id = sandbox->id,
        .name = sandbox->name,
        .template = sandbox->template,
        .machine = sandbox->id,
        .owner = sandbox->owner,
        .created_us = sandbox->created_us,
        .deadline_us = sandbox->deadline_us,
        .metadata = sandbox->metadata,
        .idempotency_key = sandbox->idempotency_key,
    };

    return record_write(core->host.store, &record, error);
}

gboolean
core_check_timeout(const Core *core, guint64 timeout_s, GError **error)
{
    if (timeout_s >= 1 && timeout_s <= core->config.timeout_max_s)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "timeout must be 1 to %" G_GUINT64_FORMAT " seconds, not %" G_GUINT64_FORMAT,
                core->config.timeout_max_s, timeout_s);
    return FALSE;
}

gboolean
core_set_timeout(Core *core, Sandbox *sandbox, guint64 timeout_s, GError **error)
{
    gint64 before_us = sandbox->deadline_us;

    if (!core_check_timeout(core, timeout_s, error))
        return FALSE;
    sandbox->deadline_us = util_boottime_us() + (gint64)timeout_s * G_USEC_PER_SEC;
    if (!registry_write_record(core, sandbox, error)) {
        sandbox->deadline_us = before_us;
        return FALSE;
    }
    deadline_remove(sandbox->deadline);
    sandbox->deadline = deadline_add(core->deadlines, sandbox->deadline_us, on_deadline, sandbox);
    core->events->sandbox_changed(sandbox, core->events_data);
    return TRUE;
}

static const char *
ended_reason(Core *core, guint32 uid, const char *id)
{
    for (GList *l = core->ended.tail; l; l = l->prev) {
        const Ended *ended = l->data;

        if (g_str_equal(ended->id, id) && core_may_see(uid, ended->owner))
            return end_reason_name(ended->reason);
    }
    return NULL;
}

Sandbox *
core_find(Core *core, guint32 owner, const char *id, GError **error)
{
    Sandbox *sandbox = g_hash_table_lookup(core->sandboxes, id);
    const char *reason;
    g_autofree char *shown = NULL;

    if (sandbox && core_may_see(owner, sandbox->owner))
        return sandbox;
    reason = ended_reason(core, owner, id);
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
compare_serials(gconstpointer a, gconstpointer b)
{
    const Sandbox *x = *(Sandbox *const *)a, *y = *(Sandbox *const *)b;

    return (x->serial > y->serial) - (x->serial < y->serial);
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
    g_ptr_array_sort(all, compare_serials);
    return all;
}

void
registry_end_all(Core *core, EndReason reason)
{
    g_autoptr(GPtrArray) all = core_list(core);

    for (guint i = 0; i < all->len; i++)
        core_end(core, all->pdata[i], reason);
}

void
registry_clear(Core *core)
{
    g_queue_clear_full(&core->ended, ended_free);
    g_hash_table_unref(core->sandboxes);
}
