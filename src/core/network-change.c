/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-change: puts a policy into force.
 *
 * A change is a chain of asynchronous calls: the record is written, the guest's port is opened if
 * the worker does not have it, cloche-egress gets both, and the guest gets the certificates that it
 * has to trust. A handover is a change without a new policy. The sandbox may end meanwhile.
 */
#include <unistd.h>

#include "account.h"
#include "error.h"
#include "instance.h"
#include "journal.h"
#include "network-private.h"
#include "registry.h"

/* Before a handover is tried again, after one that failed because cloche-vm was away. */
#define RETRY_S 1

struct NetworkChange {
    Network *network; /* a reference */
    char *id;         /* of its sandbox */
    guint32 owner;
    NetPolicy *policy; /* NULL: a handover */
    GArray *secrets;   /* of int: files, owned, or -1; by index of the policy's secrets */
    QuotaAmounts
        wanted;         /* what the policy needs, by the limits of the administrator at the begin */
    QuotaAmounts extra; /* charged beyond what the network is charged with */
    GPtrArray *callers; /* of GTask */
    gboolean is_first;  /* the sandbox is new: its record is there, its claim is under way */
    gboolean is_sent;   /* cloche-egress may have it */
    gboolean is_set;    /* cloche-egress has put it into force */
    gboolean is_spent;  /* its traffic is used up */
    char *lost;         /* why the worker has ended meanwhile; NULL: it has not */
    NetworkState state_before;
    char *reason_before;
    int port; /* owned; -1: none */
};

static const NetPolicy *
policy_of(const NetworkChange *change)
{
    return change->policy ? change->policy : change->network->policy;
}

const NetPolicy *
network_recorded_policy(const Network *network)
{
    return network->change ? policy_of(network->change) : network->policy;
}

/* --- life --- */

static NetworkChange *
change_new(Network *network, NetPolicy *policy, const GArray *secrets)
{
    NetworkChange *change = g_new0(NetworkChange, 1);

    change->network = network_ref(network);
    change->id = g_strdup(network->sandbox->id);
    change->owner = network->sandbox->owner;
    change->policy = policy;
    change->secrets = network_copy_secrets(secrets);
    change->callers = g_ptr_array_new_with_free_func(g_object_unref);
    change->port = -1;
    host_hold(&network->core->host);
    return change;
}

/* The account of a user who has nothing does not exist. */
static void
release_extra(const NetworkChange *change)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        if (change->extra.amount[r] > 0) {
            quota_release(change->network->core->quota, change->owner, &change->extra);
            return;
        }
}

static void
change_free(NetworkChange *change)
{
    Core *core = change->network->core;

    release_extra(change);
    if (change->port >= 0)
        close(change->port);
    net_policy_free(change->policy);
    g_array_unref(change->secrets);
    g_ptr_array_unref(change->callers);
    network_unref(change->network);
    g_free(change->lost);
    g_free(change->reason_before);
    g_free(change->id);
    g_free(change);
    host_release(&core->host);
}

static void
answer(NetworkChange *change, const GError *error)
{
    for (guint i = 0; i < change->callers->len; i++) {
        if (error)
            g_task_return_error(change->callers->pdata[i], g_error_copy(error));
        else
            g_task_return_boolean(change->callers->pdata[i], TRUE);
    }
    g_ptr_array_set_size(change->callers, 0);
}

void
network_changes_clear(Network *network)
{
    g_autoptr(GError) error =
        g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX, "the sandbox has ended");
    NetworkChange *next = g_steal_pointer(&network->next);

    if (!next)
        return;
    answer(next, error);
    change_free(next);
}

void
network_note_loss(Network *network, const char *reason)
{
    if (!network->change)
        return;
    g_free(network->change->lost);
    network->change->lost = g_strdup(reason);
}

/* Before that, it was the traffic of the earlier policy. */
void
network_note_exhaustion(Network *network)
{
    if (network->change && network->change->is_set)
        network->change->is_spent = TRUE;
}

/* --- the end of a change --- */

void
network_write_record(const Network *network)
{
    const Sandbox *sandbox = network->sandbox;

    if (sandbox && sandbox->core && sandbox->instance)
        registry_write_record_async(network->core, sandbox, /* callback= */ NULL, NULL);
}

/* Takes the error (NULL: the change has succeeded). The state of the network is set. */
static void
finish(NetworkChange *change, GError *error)
{
    g_autoptr(Network) network = network_ref(change->network);

    network->change = NULL;
    if ((error && change->policy) || network->is_spent)
        network_write_record(network); /* it has the policy that failed, or that is not spent */
    answer(change, error);
    g_clear_error(&error);
    change_free(change);
    network_go_on(network);
}

/* The worker may be of any state. */
static void
remove_worker(NetworkChange *change)
{
    egress_remove(change->network->core->egress, change->id);
    change->network->has_port = FALSE;
}

static gboolean
is_unknown(const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY) ||
           g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT);
}

static gboolean
on_retry(gpointer data)
{
    Network *network = data;

    network->retry = 0;
    network->must_hand_over = TRUE;
    network_go_on(network);
    return G_SOURCE_REMOVE;
}

/* cloche-vm may be there again soon; when cloche-egress is, networks.c says so. */
static void
fail_handover(NetworkChange *change, const GError *error)
{
    Network *network = change->network;

    if (change->is_sent)
        remove_worker(change);
    else if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY) && network->retry == 0)
        network->retry = g_timeout_add_seconds(RETRY_S, on_retry, network);
    network_set_state(network, NETWORK_CLOSED, error->message);
}

/* When cloche-egress says that it failed, the earlier policy is in force. */
static void
fail_change(NetworkChange *change, const GError *error)
{
    Network *network = change->network;
    gboolean is_kept = change->state_before == NETWORK_ON && !is_unknown(error) && !change->lost;

    if (!change->is_sent || is_kept) {
        network_set_state(network, change->state_before, change->reason_before);
        return;
    }
    remove_worker(change);
    network->must_hand_over = TRUE; /* the earlier policy */
    if (network_is_on(network))
        network_set_state(network, NETWORK_CLOSED, error->message);
    else
        network_set_state(network, NETWORK_OFF, NULL);
}

/* Takes the error. */
static void
fail(NetworkChange *change, GError *error)
{
    Network *network = change->network;

    if (!network->sandbox && change->is_sent)
        egress_remove(network->core->egress, change->id);
    else if (network->sandbox && !change->is_first && change->policy)
        fail_change(change, error);
    else if (network->sandbox && !change->is_first)
        fail_handover(change, error);
    finish(change, error);
}

static void
fail_ended(NetworkChange *change)
{
    fail(change,
         g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX, "the sandbox has ended"));
}

/* Of what was charged before and for the change, the network needs only what its policy has. The
 * administrator's limits may have changed meanwhile, so that more would be needed now. */
static void
settle_charge(NetworkChange *change)
{
    Network *network = change->network;

    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        change->extra.amount[r] += network->charged.amount[r] - change->wanted.amount[r];
    network->charged = change->wanted; /* change_free() releases the rest */
}

static void
take_policy(NetworkChange *change)
{
    Network *network = change->network;

    settle_charge(change);
    net_policy_free(network->policy);
    network->policy = g_steal_pointer(&change->policy);
    network->is_spent = change->is_spent;
}

static void
succeed(NetworkChange *change)
{
    Network *network = change->network;
    gboolean is_new = change->policy != NULL;

    if (is_new)
        take_policy(change);
    else if (change->is_spent)
        network->is_spent = TRUE;
    if (!network_is_on(network))
        network_set_state(network, NETWORK_OFF, NULL);
    else if (network->is_spent)
        network_set_state(network, NETWORK_CLOSED, NETWORK_EXHAUSTED);
    else if (network->has_port)
        network_set_state(network, NETWORK_ON, NULL);
    else
        network_set_state(network, NETWORK_CLOSED, NETWORK_AWAY);
    if (is_new)
        journal_network_set(network->sandbox);
    finish(change, NULL);
}

/* The last step, unless the worker has ended since cloche-egress answered. */
static void
conclude(NetworkChange *change)
{
    if (!change->network->sandbox)
        fail_ended(change);
    else if (change->lost)
        fail(change, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                 "network: its process ended: %s", change->lost));
    else
        succeed(change);
}

/* --- the guest's trust --- */

/* Whether the guest has the certificates is not known: the network is closed. */
static void
on_change_trusted(GObject *source, GAsyncResult *result, gpointer data)
{
    NetworkChange *change = data;
    GError *error = NULL;

    if (network_trust_finish(result, &error)) {
        conclude(change);
        return;
    }
    network_note_loss(change->network, error->message);
    fail(change, error);
}

/* --- cloche-egress --- */

static void
on_set(GObject *source, GAsyncResult *result, gpointer data)
{
    NetworkChange *change = data;
    Network *network = change->network;
    GError *error = NULL;
    g_autofree char *certificates = egress_set_finish(result, &change->is_spent, &error);

    if (!certificates) {
        g_prefix_error(&error, "network: ");
        fail(change, error);
        return;
    }
    if (!network->sandbox) {
        fail_ended(change);
        return;
    }
    change->is_set = TRUE;
    network->has_port = TRUE;
    g_free(network->certificates);
    network->certificates = g_steal_pointer(&certificates);
    if (change->is_first)
        conclude(change);
    else
        network_trust_async(network, on_change_trusted, change);
}

static void
send_policy(NetworkChange *change)
{
    Network *network = change->network;
    const CoreConfig *config = &network->core->config;
    EgressSetting setting = {.proxy = (char *)config->proxy};
    EgressOrder order = {.id = change->id,
                         .owner = change->owner,
                         .setting = &setting,
                         .port = change->port,
                         .secrets = (const int *)(void *)change->secrets->data,
                         .n_secrets = change->secrets->len};

    setting.layers[setting.count++] = config->network;
    if (network->base)
        setting.layers[setting.count++] = network->base;
    setting.layers[setting.count++] = (NetPolicy *)policy_of(change);
    change->is_sent = TRUE;
    egress_set_async(network->core->egress, &order, on_set, change);
    if (change->port >= 0)
        close(change->port);
    change->port = -1;
}

/* Without a connection to cloche-egress, the next list of workers ends it. */
static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    NetworkChange *change = data;
    GError *error = NULL;

    if (!egress_remove_finish(result, &error) &&
        !g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY) &&
        !g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED)) {
        g_prefix_error(&error, "network: ");
        fail(change, error);
        return;
    }
    g_clear_error(&error);
    if (change->network->sandbox)
        succeed(change);
    else
        fail_ended(change);
}

static void
on_port_open(GObject *source, GAsyncResult *result, gpointer data)
{
    NetworkChange *change = data;
    GError *error = NULL;

    change->port = machine_open_net_finish(change->network->core->host.vm, result, &error);
    if (change->port < 0) {
        g_prefix_error(&error, "network: ");
        fail(change, error);
    } else if (change->network->sandbox) {
        send_policy(change);
    } else {
        fail_ended(change);
    }
}

static void
switch_off(NetworkChange *change)
{
    Network *network = change->network;

    network->has_port = FALSE;
    g_clear_pointer(&network->certificates, g_free);
    network_trust_async(network, /* callback= */ NULL, NULL);
    if (!network->core->egress) {
        succeed(change);
        return;
    }
    change->is_sent = TRUE;
    egress_remove_async(network->core->egress, change->id, on_removed, change);
}

static void
apply(NetworkChange *change)
{
    Network *network = change->network;

    if (policy_of(change)->mode == NET_OFF) {
        switch_off(change);
    } else if (!network->core->egress) {
        fail(change, g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                                         "network: this service has no cloche-egress"));
    } else if (network->has_port) {
        send_policy(change);
    } else {
        instance_open_net_async(network->sandbox->instance, on_port_open, change);
    }
}

/* --- the beginning --- */

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    NetworkChange *change = data;
    GError *error = NULL;

    if (!record_writer_write_finish(result, &error))
        fail(change, error);
    else if (change->network->sandbox)
        apply(change);
    else
        fail_ended(change);
}

/* Charges what the policy needs beyond what the network is charged with. */
static gboolean
charge(NetworkChange *change, GError **error)
{
    const Network *network = change->network;
    QuotaAmounts extra;

    change->wanted = network_amounts(&network->core->config, network->base, change->policy);
    extra = change->wanted;
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        extra.amount[r] -= MIN(extra.amount[r], network->charged.amount[r]);
    if (!account_charge(network->core->quota, change->owner, &extra, error))
        return FALSE;
    change->extra = extra;
    return TRUE;
}

static void
begin(NetworkChange *change)
{
    Network *network = change->network;
    GError *error = NULL;

    network->change = change;
    change->state_before = network->state;
    change->reason_before = g_strdup(network->reason);
    if (change->policy && !charge(change, &error)) {
        fail(change, error);
        return;
    }
    if (network->state != NETWORK_ON && policy_of(change)->mode != NET_OFF)
        network_set_state(network, NETWORK_STARTING, NULL);
    if (change->policy)
        registry_write_record_async(network->core, network->sandbox, on_recorded, change);
    else
        apply(change);
}

void
network_go_on(Network *network)
{
    const Core *core = network->core;

    if (network->change || !network->sandbox || !network->sandbox->core ||
        !network->sandbox->instance)
        return; /* a new sandbox opens its network first */
    if (network->next) {
        begin(g_steal_pointer(&network->next));
    } else if (network->must_hand_over && core->knows_workers) {
        network->must_hand_over = FALSE;
        if (network_is_on(network) && !network->is_spent)
            begin(change_new(network, NULL, NULL));
    }
}

void
network_open_async(Network *network, const GArray *secrets, GAsyncReadyCallback callback,
                   gpointer data)
{
    NetworkChange *change = change_new(network, NULL, secrets);

    change->is_first = TRUE;
    g_ptr_array_add(change->callers, g_task_new(NULL, NULL, callback, data));
    begin(change);
}

gboolean
network_open_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- SetNetwork --- */

/* The callers of a change that has not begun get the result of this one. */
static void
replace_next(Network *network, NetworkChange *change)
{
    NetworkChange *earlier = g_steal_pointer(&network->next);

    if (earlier) {
        g_ptr_array_extend_and_steal(change->callers, g_steal_pointer(&earlier->callers));
        earlier->callers = g_ptr_array_new_with_free_func(g_object_unref);
        change_free(earlier);
    }
    network->next = change;
}

void
core_set_network_async(Core *core, Sandbox *sandbox, const NetworkRequest *request,
                       GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Network *network = sandbox->network;
    NetworkChange *change;
    GError *error = NULL;

    if (!registry_check_running(core, &error) ||
        !network_check(core, network->base, request->policy, &error) ||
        !network_check_values(request, network->policy, &error)) {
        g_task_return_error(task, error);
        return;
    }
    change = change_new(network, net_policy_copy(request->policy), request->secrets);
    g_ptr_array_add(change->callers, g_steal_pointer(&task));
    replace_next(network, change);
    network_go_on(network);
}

gboolean
core_set_network_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
