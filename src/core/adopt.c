/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * adopt: continues the sandboxes of the previous instance of the service.
 *
 * The records tell which sandboxes there are, whether libvirt answers or not: they are known, and
 * their deadlines hold, before any machine is. A sandbox continues when its record is of this boot,
 * its deadline is in the future, its machine runs, and the machine's agent reports the sandbox's
 * id. The agent reports it from the claim on, so an interrupted claim is noticed. While libvirt
 * does not answer, nothing is decided. core_sweep_async() removes what belongs to no sandbox:
 * machines first, then their files.
 *
 * What a guest sends may make the service crash, and its next instance would adopt the same guest.
 * So the record counts the instances that died in an adoption, from the first byte that the guest
 * sends. Whoever killed an instance was hardly this guest, so a crash counts eight times.
 */
#include "adopt.h"

#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "lifespan.h"
#include "network-private.h"
#include "registry.h"
#include "sandbox-clock.h"
#include "settle.h"
#include "task.h"
#include "util.h"
#include "wake.h"

/* Deaths of the service in its adoption after which a machine is given up: two crashes. */
#define DEATHS_MAX 16
#define DEATHS_OF_CRASH 8

/* One adoption under way. The sandbox may end meanwhile. */
typedef struct {
    Core *core;
    Record *record;
} Adoption;

/* What the previous instance of the service has handed over may be in force. */
static void
find_network(Core *core, Sandbox *sandbox, const Record *record)
{
    NetPolicy *base = record->network_base ? net_policy_copy(record->network_base) : NULL;
    Network *network = network_new(
        core, base, record->network ? net_policy_copy(record->network) : net_policy_new());

    sandbox->network = network;
    network_enter(network, sandbox);
    network->is_spent = record->network_closed != NULL;
    network->must_hand_over = TRUE;
    if (network->is_spent)
        network_set_state(network, NETWORK_CLOSED, record->network_closed);
    else if (network_is_on(network))
        network_set_state(network, NETWORK_STARTING, NULL);
}

static Sandbox *
sandbox_from_record(Core *core, const Record *record)
{
    Sandbox *sandbox = sandbox_new();

    sandbox->id = g_strdup(record->id);
    sandbox->name = g_strdup(record->name);
    sandbox->template = g_strdup(record->template);
    sandbox->snapshot = g_strdup(record->snapshot);
    sandbox->owner = record->owner;
    sandbox->created_us = record->created_us;
    sandbox->born_us = record->born_us;
    sandbox->life.deadline_us = record->deadline_us;
    sandbox->life.timeout_s = record->timeout_s ? record->timeout_s : SANDBOX_TIMEOUT_DEFAULT_S;
    sandbox->life.paused_since_us = record->paused_since_us;
    sandbox->life.paused_us = record->paused_us;
    sandbox->pauses_on_timeout = record->pauses_on_timeout;
    sandbox->resumes_for_calls = record->resumes_for_calls;
    sandbox->metadata = g_strdupv(record->metadata);
    sandbox->idempotency_key = g_strdup(record->idempotency_key);
    sandbox->request_digest = g_strdup(record->request_digest);
    sandbox->languages = g_strdupv(record->languages);
    sandbox->user = g_strdup(record->user);
    sandbox->vcpus = record->vcpus;
    sandbox->memory_mib = record->memory_mib;
    sandbox->disk_mib = record->disk_mib;
    find_network(core, sandbox, record);
    return sandbox;
}

static void
adoption_free(Adoption *adoption)
{
    host_release(&adoption->core->host);
    record_free(adoption->record);
    g_free(adoption);
}

static Sandbox *
find_sandbox(const Adoption *adoption)
{
    return registry_lookup(adoption->core, adoption->record->id);
}

/* --- one sandbox --- */

/* A full disk must not end a sandbox. */
static void
count_death(Adoption *adoption, guint deaths)
{
    g_autoptr(GError) error = NULL;

    if (adoption->record->deaths == deaths || !find_sandbox(adoption))
        return;
    adoption->record->deaths = deaths;
    if (!record_write(adoption->core->host.store, adoption->record, /* gate= */ NULL, &error))
        g_warning("%s", error->message);
}

/* The guest has sent something. */
static void
on_heard(gpointer data)
{
    Adoption *adoption = data;

    count_death(adoption, adoption->record->deaths + 1);
}

static void
settle(Adoption *adoption, Sandbox *sandbox)
{
    count_death(adoption, 0);
    /* Without the request. If it fails, the next write of the record does it. */
    if (adoption->record->has_request)
        registry_write_record_async(adoption->core, sandbox, /* callback= */ NULL, NULL);
    sandbox_change(sandbox, SANDBOX_CLAIMED);
    journal_adopted(sandbox);
    settle_wake(adoption->core, sandbox->id);
}

/* The agent of a machine that was adopted while it stood still has answered. Only now is it known
 * whether it can be thawed. */
static void
hear(Sandbox *sandbox)
{
    sandbox->is_unheard = FALSE;
    registry_thaw(sandbox);
    settle_wake(sandbox->core, sandbox->id);
}

static void
on_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    Adoption *adoption = data;
    g_autoptr(GBytes) answer = guest_task_finish(result, /* error= */ NULL);
    Sandbox *sandbox = find_sandbox(adoption);

    if (sandbox && answer)
        wake_kept(sandbox, answer);
    if (sandbox && sandbox->state == SANDBOX_ADOPTING)
        settle(adoption, sandbox);
    else if (sandbox)
        hear(sandbox);
    adoption_free(adoption);
}

/* The processes are known before anybody can ask for them, except those of a machine that is
 * stalled, which cannot answer now. Calls that resume a paused sandbox wait for its agent. */
static void
take_up(Adoption *adoption, Sandbox *sandbox, Instance *instance)
{
    static const char *const argv[] = {"kept", NULL};

    registry_use_instance(sandbox, instance);
    network_go_on(sandbox->network);
    sandbox_clock_set(sandbox); /* for an unknown time, nobody has set it */
    wake_anyway(sandbox);
    if (sandbox->state == SANDBOX_PAUSED) {
        sandbox->is_unheard = TRUE;
        instance_hold(instance, INSTANCE_HELD_FOR_USER, TRUE); /* its deadline may have passed */
    }
    if (sandbox->state == SANDBOX_PAUSED || instance_is_stalled(instance))
        settle(adoption, sandbox);
    guest_task_async(instance_link(instance), argv, "root", /* budget= */ NULL,
                     /* cancellable= */ NULL, on_kept, adoption);
}

/* The sandbox has ended, or the service stops and leaves it. */
static void
put_back(Core *core, const char *id, Instance *instance)
{
    if (core->leaves_sandboxes && record_exists(core->host.store, id))
        instance_leave(instance);
    else
        instance_end(instance, "The sandbox has ended");
}

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    Adoption *adoption = data;
    Sandbox *sandbox = find_sandbox(adoption);
    g_autoptr(GError) error = NULL;
    EndReason why = END_NOT_YET;
    Instance *instance = instance_adopt_finish(result, &why, &error);

    if (sandbox && instance) {
        take_up(adoption, sandbox, instance);
        return;
    }
    if (instance)
        put_back(adoption->core, adoption->record->id, instance);
    else if (sandbox && why != END_NOT_YET)
        core_end(adoption->core, sandbox, why, error->message);
    adoption_free(adoption);
}

/* What the machine runs from, a reference. Without its snapshot, which was damaged, the machine
 * goes on: it has what it needs of the files open. */
static Template *
find_template(Core *core, const Record *record)
{
    Template *snapshot =
        record->snapshot ? snapshots_lookup(core->snapshots, record->snapshot) : NULL;

    return snapshot ? template_ref(snapshot) : templates_adopt(core->templates, record);
}

/* Takes the record. */
static void
adopt_machine(Core *core, Record *record)
{
    g_autoptr(Template) template = find_template(core, record);
    Adoption *adoption = g_new0(Adoption, 1);

    adoption->core = core;
    adoption->record = record;
    host_hold(&core->host);
    instance_adopt_async(&core->host, record, template, on_heard, on_adopted, adoption);
}

void
adopt_expire(Record *record, gint64 now_us, guint64 paused_max_s)
{
    if (!record->pauses_on_timeout || record->paused_since_us != 0 || record->deadline_us > now_us)
        return;
    record->paused_since_us = record->deadline_us;
    record->deadline_us += lifespan_paused_max_us(paused_max_s);
}

EndReason
adopt_judge(const Record *record, const char *boot_id, gint64 now_us, const char **ret_detail)
{
    *ret_detail = NULL;
    if (!g_str_equal(record->boot_id, boot_id)) {
        *ret_detail = "the host was rebooted";
        return END_MACHINE_LOST;
    }
    if (record->deadline_us <= now_us)
        return END_TIMED_OUT;
    if (record->is_one_shot) {
        *ret_detail = "its caller can no longer get the result";
        return END_CALLER_LEFT;
    }
    if (record->deaths >= DEATHS_MAX) {
        *ret_detail = "the service died again and again while it adopted this machine";
        return END_PROTOCOL_ERROR;
    }
    return END_NOT_YET;
}

static void
adopt(Core *core, const char *id, gboolean has_crashed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = record_read(core->host.store, id, &error);
    Sandbox *sandbox;
    QuotaAmounts amounts;
    EndReason why;
    const char *detail;

    if (!record) {
        g_warning("A record is of no use: %s", error->message);
        return;
    }
    if (has_crashed && record->deaths > 0)
        record->deaths += DEATHS_OF_CRASH - 1; /* one was counted before */
    adopt_expire(record, util_boottime_us(), core->config.paused_max_s);
    sandbox = sandbox_from_record(core, record);
    amounts = sandbox_amounts(sandbox);
    quota_charge_anyway(core->quota, sandbox->owner, &amounts);
    why = adopt_judge(record, util_boot_id(), util_boottime_us(), &detail);
    if (why != END_NOT_YET) {
        core_end(core, sandbox, why, detail);
        return;
    }
    sandbox_change(sandbox, record->paused_since_us != 0 ? SANDBOX_FOUND_PAUSED : SANDBOX_FOUND);
    registry_add(core, sandbox);
    adopt_machine(core, g_steal_pointer(&record));
}

void
core_adopt(Core *core)
{
    g_auto(GStrv) ids = store_list_records(core->host.store);
    gboolean has_crashed = store_take_crash(core->host.store);

    snapshots_load(core->snapshots);
    for (char **id = ids; *id; id++)
        adopt(core, *id, has_crashed);
    snapshots_settle(core->snapshots);
}

/* --- what is left over --- */

static char **
living_ids(Core *core)
{
    g_autoptr(GPtrArray) all = core_list(core);
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();

    for (guint i = 0; i < all->len; i++)
        g_strv_builder_add(ids, ((const Sandbox *)all->pdata[i])->id);
    return g_strv_builder_end(ids);
}

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Core *core = g_task_get_task_data(task);
    g_auto(GStrv) keep = living_ids(core), in_use = templates_in_use(core->templates);
    GError *error = NULL;
    int machines = vm_sweep_finish(core->host.vm, result, &error);
    guint things;

    if (error) {
        g_task_return_error(task, error);
    } else if (core->leaves_sandboxes) {
        g_task_return_boolean(task, TRUE); /* the sandboxes go on without this process */
    } else {
        things =
            store_sweep(core->host.store, (const char *const *)keep, (const char *const *)in_use);
        if (machines > 0 || things > 0)
            g_message(
                "Removed what the previous instance of the service left: %d machines, %u files and "
                "folders",
                machines, things);
        g_task_return_boolean(task, TRUE);
    }
    g_object_unref(task);
}

void
core_sweep_async(Core *core, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);

    g_task_set_task_data(task, core, NULL);
    vm_sweep_async(core->host.vm, INSTANCE_PREFIX, on_swept, task);
}

gboolean
core_sweep_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
