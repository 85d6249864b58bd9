/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * adopt: continues the sandboxes of the previous instance of the service.
 *
 * A sandbox continues when its record is of this boot, its deadline is in the future, its machine
 * runs, and the machine's agent reports the sandbox's id. The agent reports it from the claim on,
 * so an interrupted claim is noticed. When libvirt cannot answer, nothing is changed.
 * core_sweep_async() removes what belongs to no sandbox: machines first, then their files.
 */
#include "adopt.h"

#include "contexts.h"
#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "process.h"
#include "registry.h"
#include "sandbox-clock.h"
#include "task.h"
#include "util.h"

typedef struct {
    Core *core;
    GTask *task;
    guint waiting; /* adoptions under way, and core_adopt_async() itself */
    GError *error; /* why the state of a machine is unknown; NULL so far */
} Adoption;

typedef struct {
    Adoption *adoption;
    Sandbox *sandbox; /* of the record */
} Candidate;

static Sandbox *
sandbox_from_record(const Record *record)
{
    Sandbox *sandbox = sandbox_new();

    sandbox->id = g_strdup(record->id);
    sandbox->name = g_strdup(record->name);
    sandbox->template = g_strdup(record->template);
    sandbox->owner = record->owner;
    sandbox->created_us = record->created_us;
    sandbox->born_us = record->born_us;
    sandbox->deadline_us = record->deadline_us;
    sandbox->metadata = g_strdupv(record->metadata);
    sandbox->idempotency_key = g_strdup(record->idempotency_key);
    sandbox->request = g_strdup(record->request);
    sandbox->languages = g_strdupv(record->languages);
    sandbox->user = g_strdup(record->user);
    sandbox->vcpus = record->vcpus;
    sandbox->memory_mib = record->memory_mib;
    sandbox->disk_mib = record->disk_mib;
    return sandbox;
}

static void
release(Adoption *adoption)
{
    Host *host = &adoption->core->host;

    if (--adoption->waiting > 0)
        return;
    if (adoption->error)
        g_task_return_error(adoption->task, adoption->error);
    else
        g_task_return_boolean(adoption->task, TRUE);
    g_object_unref(adoption->task);
    g_free(adoption);
    host_release(host);
}

/* --- one sandbox --- */

/* The service may be stopping already. */
static void
take_up(Core *core, Sandbox *sandbox)
{
    sandbox_change(sandbox, SANDBOX_CLAIMED);
    registry_add(core, sandbox);
    sandbox_clock_set(sandbox); /* for an unknown time, nobody has set it */
    journal_adopted(sandbox);
    if (core->is_stopping)
        registry_stop(core, sandbox);
}

/* What the agent keeps: runners of contexts, and processes. */
static void
adopt_kept(Sandbox *sandbox, GBytes *answer)
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

typedef struct {
    Core *core;
    char *sandbox_id;
    Adoption *adoption; /* NULL: it does not wait */
} KeptRequest;

static void
on_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree KeptRequest *request = data;
    g_autofree char *id = request->sandbox_id;
    g_autoptr(GBytes) answer = guest_task_finish(result, /* error= */ NULL);
    Sandbox *sandbox = registry_lookup(request->core, id);

    if (answer && sandbox)
        adopt_kept(sandbox, answer);
    if (request->adoption)
        release(request->adoption);
}

/* The processes are known before anybody can ask for them, except those of a machine that is
 * stalled, which cannot answer now. */
static void
ask_for_kept(Adoption *adoption, Sandbox *sandbox)
{
    static const char *const argv[] = {"kept", NULL};
    KeptRequest *request = g_new0(KeptRequest, 1);

    request->core = adoption->core;
    request->sandbox_id = g_strdup(sandbox->id);
    if (!instance_is_stalled(sandbox->instance)) {
        request->adoption = adoption;
        adoption->waiting++;
    }
    guest_task_async(instance_link(sandbox->instance), argv, "root", /* cancellable= */ NULL,
                     on_kept, request);
}

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Candidate *candidate = data;
    Adoption *adoption = candidate->adoption;
    Sandbox *sandbox = candidate->sandbox;
    GError *error = NULL;
    EndReason why;

    sandbox->instance = instance_adopt_finish(result, &why, &error);
    if (sandbox->instance) {
        ask_for_kept(adoption, sandbox);
        take_up(adoption->core, sandbox);
    } else if (why != END_NOT_YET) {
        core_end(adoption->core, sandbox, why, error->message);
        g_error_free(error);
    } else {
        sandbox_free(sandbox);
        if (adoption->error)
            g_error_free(error);
        else
            adoption->error = error;
    }
    release(adoption);
}

static void
adopt_machine(Adoption *adoption, const Record *record, Sandbox *sandbox)
{
    Core *core = adoption->core;
    g_autoptr(Template) template = templates_adopt(core->templates, record);
    Candidate *candidate = g_new0(Candidate, 1);

    candidate->adoption = adoption;
    candidate->sandbox = sandbox;
    adoption->waiting++;
    instance_adopt_async(&core->host, record, template, on_adopted, candidate);
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
    return END_NOT_YET;
}

static void
adopt(Adoption *adoption, const char *id)
{
    Core *core = adoption->core;
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
    sandbox = sandbox_from_record(record);
    amounts = sandbox_amounts(sandbox);
    quota_charge_anyway(core->quota, sandbox->owner, &amounts);
    why = adopt_judge(record, util_boot_id(), util_boottime_us(), &detail);
    if (why == END_NOT_YET)
        adopt_machine(adoption, record, sandbox);
    else
        core_end(core, sandbox, why, detail);
}

void
core_adopt_async(Core *core, GAsyncReadyCallback callback, gpointer data)
{
    g_auto(GStrv) ids = store_list_records(core->host.store);
    Adoption *adoption = g_new0(Adoption, 1);

    host_hold(&core->host);
    adoption->core = core;
    adoption->task = g_task_new(NULL, NULL, callback, data);
    adoption->waiting = 1;
    for (char **id = ids; *id; id++)
        adopt(adoption, *id);
    release(adoption);
}

gboolean
core_adopt_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
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
