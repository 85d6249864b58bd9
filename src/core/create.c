/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create: from a request to a sandbox that runs.
 *
 * When a machine is lost during the claim, the creation takes another one, CLAIMS_MAX times in all.
 * Calls of one user with the same idempotency key share one creation.
 */
#include "create.h"

#include "account.h"
#include "claim.h"
#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "keyed-digest.h"
#include "lifespan.h"
#include "network-private.h"
#include "registry.h"
#include "settle.h"
#include "util.h"
#include "wake.h"

#define CLAIMS_MAX 3

static const QuotaAmounts one_create = {{[QUOTA_CREATES] = 1}};

typedef struct {
    Core *core;
    guint32 owner;
    Sandbox *sandbox; /* NULL once it is registered */
    char *id;         /* of the sandbox, once it is registered and is not ready yet */
    char **environment;
    GArray *secrets;   /* of int: files of the network's secrets */
    guint parts;       /* of the claim, under way */
    GError *error;     /* of the claim: the machine was lost */
    GError *net_error; /* of the network */
    guint64 timeout_s;
    Template *template;
    guint claims;
    char *share_key;      /* in core->creating; NULL: no idempotency key */
    GPtrArray *followers; /* of GTask: later calls with the same key */
} Creation;

/* Releases the charge of a sandbox that was not created. */
static void
drop_sandbox(Creation *creation)
{
    QuotaAmounts amounts;

    if (!creation->sandbox)
        return;
    network_end(creation->sandbox->network);
    amounts = sandbox_amounts(creation->sandbox);
    quota_release(creation->core->quota, creation->owner, &amounts);
    sandbox_free(g_steal_pointer(&creation->sandbox));
}

static void
creation_free(gpointer data)
{
    Creation *creation = data;

    if (creation->sandbox && creation->sandbox->instance)
        instance_end(g_steal_pointer(&creation->sandbox->instance), "The sandbox was not created");
    drop_sandbox(creation);
    template_unref(creation->template);
    g_free(creation->id);
    g_strfreev(creation->environment);
    g_array_unref(creation->secrets);
    g_clear_error(&creation->error);
    g_clear_error(&creation->net_error);
    g_free(creation->share_key);
    g_ptr_array_unref(creation->followers);
    g_free(creation);
}

/* Ends a creation, for its own caller and for calls that share it: the one place. */
static void
finish(GTask *task, const char *id, GError *error)
{
    Creation *creation = g_task_get_task_data(task);

    quota_release(creation->core->quota, creation->owner, &one_create);
    if (creation->share_key)
        g_hash_table_remove(creation->core->creating, creation->share_key);
    for (guint i = 0; i < creation->followers->len; i++) {
        GTask *follower = creation->followers->pdata[i];

        if (error)
            g_task_return_error(follower, g_error_copy(error));
        else
            g_task_return_pointer(follower, g_strdup(id), g_free);
    }
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_strdup(id), g_free);
    g_object_unref(task);
}

static void take_another(GTask *task);

/* Tries with another machine, unless too many were lost. Takes the error. */
static void
lose_claim(GTask *task, GError *error)
{
    Creation *creation = g_task_get_task_data(task);
    Sandbox *sandbox = creation->sandbox;

    record_writer_remove(creation->core->record_writer, sandbox->id);
    network_end(sandbox->network);
    instance_end(g_steal_pointer(&sandbox->instance), "The machine could not be claimed");
    if (!creation->core->is_stopping)
        journal_claim_lost(sandbox, error->message);
    if (creation->core->is_stopping || ++creation->claims >= CLAIMS_MAX) {
        finish(task, NULL, error);
        return;
    }
    g_error_free(error);
    take_another(task);
}

/* The caller of a sandbox that began from a snapshot may use it. */
static void
on_woken(GObject *source, GAsyncResult *result, gpointer data)
{
    const Creation *creation = g_task_get_task_data(data);
    Core *core = creation->core;
    Sandbox *sandbox = registry_lookup(core, creation->id);
    GError *error = NULL;

    if (!wake_finish(result, &error)) {
        if (sandbox)
            core_end(core, sandbox, END_MACHINE_LOST, error->message);
        if (core->is_stopping) { /* this is the reason, and calling again helps */
            g_clear_error(&error);
            registry_check_running(core, &error);
        }
        finish(data, NULL, error);
        return;
    }
    sandbox_change(sandbox, SANDBOX_CLAIMED);
    journal_created(sandbox);
    settle_wake(core, creation->id);
    finish(data, creation->id, NULL);
}

/* Calls of it wait until its processes run again, as after a restart of the service. */
static void
wake(GTask *task)
{
    Creation *creation = g_task_get_task_data(task);
    Sandbox *sandbox = creation->sandbox;

    sandbox_change(sandbox, SANDBOX_FOUND);
    creation->id = g_strdup(sandbox->id);
    creation->sandbox = NULL;
    registry_add(creation->core, sandbox);
    wake_async(creation->core, sandbox, (const char *const *)creation->environment, on_woken, task);
}

static void
announce(GTask *task)
{
    Creation *creation = g_task_get_task_data(task);
    Sandbox *sandbox = creation->sandbox;

    if (sandbox->snapshot) {
        wake(task);
        return;
    }
    /* The exercise has reseeded the interpreters already (exercise.h). */
    if (*creation->environment)
        instance_reseed(sandbox->instance, (const char *const *)creation->environment);
    sandbox_change(sandbox, SANDBOX_CLAIMED);
    creation->sandbox = NULL;
    registry_add(creation->core, sandbox);
    journal_created(sandbox);
    finish(task, sandbox->id, NULL);
}

/* The sandbox does not begin without the network that was requested. Takes the error. */
static void
fail_network(GTask *task, GError *error)
{
    const Creation *creation = g_task_get_task_data(task);

    record_writer_remove(creation->core->record_writer, creation->sandbox->id);
    finish(task, NULL, error);
}

static void
on_trusted(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (network_trust_finish(result, &error))
        announce(data);
    else
        fail_network(data, error);
}

/* Both the claim and the network have an answer. */
static void
conclude(GTask *task)
{
    Creation *creation = g_task_get_task_data(task);

    if (--creation->parts > 0)
        return;
    if (!creation->error)
        registry_check_running(creation->core, &creation->error);
    if (creation->error) {
        g_clear_error(&creation->net_error);
        lose_claim(task, g_steal_pointer(&creation->error));
    } else if (creation->net_error) {
        fail_network(task, g_steal_pointer(&creation->net_error));
    } else if (network_is_on(creation->sandbox->network)) {
        network_trust_async(creation->sandbox->network, on_trusted, task);
    } else {
        announce(task);
    }
}

static void
on_claimed(GObject *source, GAsyncResult *result, gpointer data)
{
    Creation *creation = g_task_get_task_data(data);

    if (!guest_link_claim_finish(NULL, result, &creation->error))
        network_end(creation->sandbox->network); /* what is under way fails at once */
    conclude(data);
}

static void
on_network_open(GObject *source, GAsyncResult *result, gpointer data)
{
    Creation *creation = g_task_get_task_data(data);

    network_open_finish(result, &creation->net_error);
    conclude(data);
}

/* The record is there before the guest knows whose it is. */
static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Creation *creation = g_task_get_task_data(task);
    GuestClaim claim = {0};
    GError *error = NULL;

    if (!record_writer_write_finish(result, &error)) {
        finish(task, NULL, error);
        return;
    }
    claim.id = claim.hostname = creation->sandbox->id;
    claim.user = creation->template->user;
    claim.environment = (const char *const *)creation->environment;
    creation->parts = 1;
    if (network_is_on(creation->sandbox->network)) {
        creation->parts++;
        network_open_async(creation->sandbox->network, creation->secrets, on_network_open, task);
    }
    guest_link_claim_async(instance_link(creation->sandbox->instance), &claim, on_claimed, task);
}

/* Gives the machine to the sandbox, and writes its record. */
static void
begin_claim(GTask *task, Instance *instance)
{
    Creation *creation = g_task_get_task_data(task);
    Sandbox *sandbox = creation->sandbox;

    sandbox->instance = instance;
    g_free(sandbox->id);
    sandbox->id = g_strdup(instance_id(instance));
    /* From now, not from the request: the caller may have waited for the machine. */
    sandbox->created_us = g_get_real_time();
    sandbox->born_us = MAX(util_boottime_us(), creation->core->last_born_us + 1);
    creation->core->last_born_us = sandbox->born_us;
    sandbox->life.timeout_s = creation->timeout_s;
    sandbox->life.deadline_us = sandbox->born_us + (gint64)creation->timeout_s * G_USEC_PER_SEC;
    network_enter(sandbox->network, sandbox);
    registry_write_record_async(creation->core, sandbox, on_recorded, task);
}

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    Instance *instance = pool_wait_finish(result, &error);

    if (instance)
        begin_claim(task, instance);
    else
        finish(task, NULL, error);
}

static void
take_machine(GTask *task, Pool *pool)
{
    const Creation *creation = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);
    Instance *instance;
    GError *error = NULL;

    if (g_cancellable_set_error_if_cancelled(cancellable, &error))
        finish(task, NULL, error);
    else if ((instance = pool_take(pool)))
        begin_claim(task, instance);
    else
        pool_wait_async(pool, creation->owner, cancellable, on_waited, task);
}

/* "minimal, python" */
static char *
template_names(Core *core)
{
    g_autoptr(GList) templates = templates_list(core->templates);
    GString *names = g_string_new(NULL);

    for (GList *l = templates; l; l = l->next)
        g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "",
                               ((const Template *)l->data)->name);
    return g_string_free(names, FALSE);
}

static void
set_no_template(Core *core, const char *name, GError **error)
{
    g_autofree char *shown = g_strndup(name, 64), *names = template_names(core);

    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_TEMPLATE,
                "template '%s' is not installed; installed are: %s", shown,
                *names ? names : "none");
}

/* The template may have been removed since the request was accepted. */
static void
take_another(GTask *task)
{
    Creation *creation = g_task_get_task_data(task);
    Core *core = creation->core;
    Pool *pool = pools_find(core->pools, creation->template);
    GError *error = NULL;

    if (pool) {
        take_machine(task, pool);
        return;
    }
    if (creation->template->snapshot)
        error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SNAPSHOT,
                            "snapshot '%s' was removed", creation->template->snapshot->id);
    else
        error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_TEMPLATE,
                            "template '%s' was removed", creation->template->name);
    finish(task, NULL, error);
}

/* --- the request --- */

static gboolean
check_size(const Template *template, const CreateRequest *request, GError **error)
{
    if (template->state == TEMPLATE_FAILED) /* its error is reported; its size may be unknown */
        return TRUE;
    if (request->vcpus != 0 && request->vcpus != template->vcpus)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "vcpus: machines of template '%s' have %u, not %u", template->name,
                    template->vcpus, request->vcpus);
    else if (request->memory_mib != 0 && request->memory_mib != template->memory_mib)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "memory-mib: machines of template '%s' have %" G_GUINT64_FORMAT
                    ", not %" G_GUINT64_FORMAT,
                    template->name, template->memory_mib, request->memory_mib);
    else
        return TRUE;
    return FALSE;
}

/* Without the values of secrets, which this service does not read. */
static void
add_policy(StoreDigest *digest, const NetPolicy *policy)
{
    g_autofree uint8_t *buffer = g_malloc0(NET_POLICY_SIZE_MAX);
    WireWriter w = {.data = buffer, .size = NET_POLICY_SIZE_MAX};
    g_autofree char *sum = NULL;

    net_policy_put(&w, policy);
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, buffer, w.used);
    store_digest_add(digest, sum);
}

/* The digest of what a second call with the same key must request again. */
static char *
digest_request(const Core *core, const CreateRequest *request, const char *template)
{
    StoreDigest *digest = store_digest_new(core->host.store);
    g_autofree char *timeout = g_strdup_printf("%" G_GUINT64_FORMAT, request->timeout_s);

    store_digest_add(digest, template);
    store_digest_add(digest, request->name);
    store_digest_add(digest, timeout);
    if (request->pauses_on_timeout)
        store_digest_add(digest, "on-timeout=pause");
    if (request->resumes_for_calls)
        store_digest_add(digest, "auto-resume");
    store_digest_add_list(digest, request->metadata);
    store_digest_add_list(digest, request->environment);
    if (request->network)
        add_policy(digest, request->network->policy);
    return store_digest_finish(digest);
}

static Network *
network_for(Core *core, const Template *template, const CreateRequest *request)
{
    const NetPolicy *policy = request->network ? request->network->policy : template->network;

    return network_new(core, template->network ? net_policy_copy(template->network) : NULL,
                       policy ? net_policy_copy(policy) : net_policy_new());
}

/* What the digest of a request says of its template; no template has a name with "@". */
static char *
name_origin(const Core *core, const CreateRequest *request)
{
    if (request->snapshot || request->from)
        return g_strconcat("@", request->from ? request->from->snapshot->id : request->snapshot,
                           NULL);
    return g_strdup(request->template ? request->template : core->config.default_template);
}

static Sandbox *
sandbox_for(Core *core, const Template *template, guint32 owner, const CreateRequest *request)
{
    Sandbox *sandbox = sandbox_new();
    g_autofree char *origin = name_origin(core, request);

    sandbox->name = g_strdup(request->name);
    sandbox->template = g_strdup(template->name);
    sandbox->snapshot = template->snapshot ? g_strdup(template->snapshot->id) : NULL;
    sandbox->is_beginning = template->snapshot != NULL;
    sandbox->owner = owner;
    sandbox->metadata = g_strdupv(request->metadata);
    sandbox->vcpus = template->vcpus;
    sandbox->memory_mib = template->memory_mib;
    sandbox->disk_mib = template->disk_mib;
    sandbox->user = g_strdup(template->user);
    sandbox->languages = g_strdupv(template->languages);
    sandbox->idempotency_key = g_strdup(request->idempotency_key);
    sandbox->is_one_shot = request->is_one_shot;
    sandbox->pauses_on_timeout = request->pauses_on_timeout;
    sandbox->resumes_for_calls = request->resumes_for_calls;
    sandbox->network = network_for(core, template, request);
    if (request->idempotency_key)
        sandbox->request_digest = digest_request(core, request, origin);
    return sandbox;
}

/* Makes the requested sandbox, and charges its owner. NULL with an error. */
static Sandbox *
accept_request(Core *core, const Template *template, guint32 owner, const CreateRequest *request,
               GError **error)
{
    g_autoptr(Sandbox) sandbox = NULL;
    QuotaAmounts amounts;

    if (!registry_check_running(core, error) || !check_size(template, request, error) ||
        !core_check_timeout(core, request->timeout_s, error))
        return NULL;
    sandbox = sandbox_for(core, template, owner, request);
    if ((request->network && !network_check_values(request->network, NULL, error)) ||
        !network_check(core, template->network, network_policy(sandbox->network), error))
        return NULL;
    amounts = sandbox_amounts(sandbox);
    amounts.amount[QUOTA_CREATES] = 1;
    return account_charge(core->quota, owner, &amounts, error) ? g_steal_pointer(&sandbox) : NULL;
}

/* Takes the sandbox, and the key (or NULL) under which other calls may share it. */
static Creation *
creation_new(Core *core, Template *template, Sandbox *sandbox, const CreateRequest *request,
             char *share_key)
{
    Creation *creation = g_new0(Creation, 1);

    creation->core = core;
    creation->owner = sandbox->owner;
    creation->template = template_ref(template);
    creation->sandbox = sandbox;
    creation->environment =
        network_environment(network_policy(sandbox->network), request->environment);
    creation->secrets = network_copy_secrets(request->network ? request->network->secrets : NULL);
    creation->timeout_s = request->timeout_s;
    creation->followers = g_ptr_array_new_with_free_func(g_object_unref);
    creation->share_key = share_key;
    if (share_key)
        g_hash_table_insert(core->creating, share_key, creation);
    return creation;
}

/* A sandbox of an earlier version of the service has no digest, and could be another one. */
static gboolean
check_same(const Sandbox *first, const char *digest, GError **error)
{
    if (g_strcmp0(first->request_digest, digest) == 0)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "idempotency-key '%s' was used with other options", first->idempotency_key);
    return FALSE;
}

/* Joins a sandbox with this key that runs or is being created. FALSE when there is none; TRUE when
 * the task was answered or waits. */
static gboolean
join_earlier(Core *core, GTask *task, guint32 owner, const CreateRequest *request,
             const char *template, const char *share_key)
{
    g_autofree char *digest = digest_request(core, request, template);
    Sandbox *living = registry_find_key(core, owner, request->idempotency_key);
    Creation *under_way = g_hash_table_lookup(core->creating, share_key);
    GError *error = NULL;

    if (!living && !under_way)
        return FALSE;
    if (!check_same(living ? living : under_way->sandbox, digest, &error))
        g_task_return_error(task, error);
    else if (living)
        g_task_return_pointer(task, g_strdup(living->id), g_free);
    else
        g_ptr_array_add(under_way->followers, g_object_ref(task));
    g_object_unref(task);
    return TRUE;
}

/* NULL with an error. */
static Template *
find_template(Core *core, guint32 owner, const CreateRequest *request, GError **error)
{
    const Viewer viewer = {.uid = owner};
    const char *name = request->template ? request->template : core->config.default_template;
    Template *template;

    if (request->from)
        return request->from;
    if (request->snapshot)
        return core_find_snapshot(core, &viewer, request->snapshot, error);
    template = templates_find(core->templates, name);
    if (!template)
        set_no_template(core, name, error);
    return template;
}

void
core_create_async(Core *core, guint32 owner, const CreateRequest *request,
                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    /* A creation that other calls may share goes on when its first caller leaves. */
    GTask *task = g_task_new(NULL, request->idempotency_key ? NULL : cancellable, callback, data);
    g_autofree char *origin = name_origin(core, request), *share_key = NULL;
    GError *error = NULL;
    Template *template = find_template(core, owner, request, &error);
    Sandbox *sandbox = NULL;

    if (request->idempotency_key)
        share_key = g_strdup_printf("%u %s", owner, request->idempotency_key);
    if (share_key && template && join_earlier(core, task, owner, request, origin, share_key))
        return;
    if (template)
        sandbox = accept_request(core, template, owner, request, &error);
    if (!sandbox) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_task_set_check_cancellable(task, FALSE);
    g_task_set_task_data(
        task, creation_new(core, template, sandbox, request, g_steal_pointer(&share_key)),
        creation_free);
    if (template->snapshot)
        snapshots_want(core->snapshots, template);
    take_machine(task, pools_find(core->pools, template));
}

char *
core_create_finish(Core *core, GAsyncResult *result, GError **error)
{
    GCancellable *cancellable = g_task_get_cancellable(G_TASK(result));
    char *id = g_task_propagate_pointer(G_TASK(result), error);
    Sandbox *sandbox = id ? registry_lookup(core, id) : NULL;

    if (sandbox && g_cancellable_is_cancelled(cancellable))
        core_end(core, sandbox, END_CALLER_LEFT, /* detail= */ NULL);
    return id;
}
