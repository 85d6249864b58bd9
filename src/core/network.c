/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network: the network of one sandbox: its life, its state, and what it may have. */
#include <fcntl.h>

#include "closer.h"
#include "error.h"
#include "journal.h"
#include "network-private.h"
#include "registry.h"

#define MIB (1024 * 1024)

static const char *const state_names[] = {"off", "starting", "on", "closed"};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == _NETWORK_STATE_MAX);

const char *
network_state_name(NetworkState state)
{
    return state_names[state];
}

NetworkState
network_state(const Network *network)
{
    return network->state;
}

const char *
network_reason(const Network *network)
{
    return network->reason ? network->reason : "";
}

const NetPolicy *
network_policy(const Network *network)
{
    return network->policy;
}

gboolean
network_is_on(const Network *network)
{
    return network->policy->mode != NET_OFF;
}

/* --- values of secrets --- */

static void
close_secret(gpointer data)
{
    int fd = *(int *)data;

    if (fd >= 0)
        closer_close(fd);
}

GArray *
network_copy_secrets(const GArray *secrets)
{
    GArray *copy = g_array_new(FALSE, FALSE, sizeof(int));

    g_array_set_clear_func(copy, close_secret);
    for (guint i = 0; secrets && i < secrets->len; i++) {
        int fd = g_array_index(secrets, int, i);

        fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
        g_array_append_val(copy, fd);
    }
    return copy;
}

/* --- limits --- */

/* 0 is no limit. */
static guint64
lower(guint64 a, guint64 b)
{
    return a == 0 || b == 0 ? MAX(a, b) : MIN(a, b);
}

static guint64
lowest(guint64 a, guint64 b, guint64 c)
{
    return lower(lower(a, b), c);
}

static guint64
traffic_max(const CoreConfig *config, const NetPolicy *base, const NetPolicy *policy)
{
    return lowest(config->network->traffic, base ? base->traffic : 0, policy->traffic);
}

QuotaAmounts
network_amounts(const CoreConfig *config, const NetPolicy *base, const NetPolicy *policy)
{
    guint64 connections = lowest(config->network->connections, base ? base->connections : 0,
                                 lower(policy->connections, NET_CONNECTIONS_MAX));
    guint64 traffic = traffic_max(config, base, policy);

    if (policy->mode == NET_OFF)
        return (QuotaAmounts){0};
    return (QuotaAmounts){{
        [QUOTA_CONNECTIONS] = connections,
        [QUOTA_TRAFFIC_MIB] = traffic / MIB + (traffic % MIB > 0),
    }};
}

static gboolean
check_traffic(const Core *core, const NetPolicy *base, const NetPolicy *policy, GError **error)
{
    if (traffic_max(&core->config, base, policy) > 0 ||
        (core->config.limits_of_each.amount[QUOTA_TRAFFIC_MIB] == G_MAXUINT64 &&
         core->config.limits_of_all.amount[QUOTA_TRAFFIC_MIB] == G_MAXUINT64))
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                        "network: the traffic of users is limited, so a network needs the option "
                        "traffic");
    return FALSE;
}

static gboolean
check_egress(const Core *core, GError **error)
{
    if (core->egress && !egress_is_missing(core->egress))
        return TRUE;
    g_set_error_literal(
        error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
        "network: sandboxes of this host have none, because the program or the user "
        "cloche-egress is not installed");
    return FALSE;
}

static gboolean
is_same_secret(const NetSecret *a, const NetSecret *b)
{
    return g_str_equal(a->name, b->name) && g_str_equal(a->host, b->host) && a->port == b->port &&
           g_ascii_strcasecmp(a->header, b->header) == 0;
}

static gboolean
has_secret(const NetPolicy *policy, const NetSecret *secret)
{
    for (guint i = 0; i < policy->secrets->len; i++)
        if (is_same_secret(policy->secrets->pdata[i], secret))
            return TRUE;
    return FALSE;
}

gboolean
network_check_values(const NetworkRequest *request, const NetPolicy *earlier, GError **error)
{
    for (guint i = 0; i < request->policy->secrets->len; i++) {
        const NetSecret *secret = request->policy->secrets->pdata[i];

        if (g_array_index(request->secrets, int, i) >= 0 ||
            (earlier && has_secret(earlier, secret)))
            continue;
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "network: secrets: the header '%s' of host '%s' has no value", secret->header,
                    secret->host);
        return FALSE;
    }
    return TRUE;
}

gboolean
network_check(const Core *core, const NetPolicy *base, const NetPolicy *policy, GError **error)
{
    const char *who = NULL;

    if (policy->mode == NET_OFF)
        return TRUE;
    if (core->config.network->mode == NET_OFF)
        who = "the administrator ([Network] Mode in cloched.conf)";
    else if (base && base->mode == NET_OFF)
        who = "its template";
    if (!who)
        return check_traffic(core, base, policy, error) && check_egress(core, error);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                "network: a sandbox may not have one, because %s permits none", who);
    return FALSE;
}

/* --- certificates --- */

#define BUNDLE "/etc/ssl/certs/ca-certificates.crt"

static gboolean
inspects(const NetPolicy *policy)
{
    for (char **entry = policy->allow; *entry; entry++) {
        g_autoptr(NetTarget) target = net_target_parse(*entry, /* error= */ NULL);

        if (target && target->protocol == NET_INSPECT)
            return TRUE;
    }
    return policy->secrets->len > 0;
}

char **
network_environment(const NetPolicy *policy, char **environment)
{
    static const char *const names[] = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
                                        "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO",
                                        "AWS_CA_BUNDLE"};
    char **all = g_strdupv(environment);

    if (policy->mode == NET_OFF || !inspects(policy))
        return all;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (!g_environ_getenv(all, names[i]))
            all = g_environ_setenv(all, names[i], BUNDLE, /* overwrite= */ FALSE);
    return all;
}

/* --- state --- */

void
network_set_state(Network *network, NetworkState state, const char *reason)
{
    gboolean is_same = network->state == state && g_strcmp0(network->reason, reason) == 0;

    network->state = state;
    g_free(network->reason);
    network->reason = g_strdup(reason);
    if (state != NETWORK_ON)
        network_watches_end(network);
    if (!is_same && network->sandbox && network->sandbox->core)
        network->core->events->network_changed(network->sandbox, network->core->events_data);
}

/* --- life --- */

Network *
network_new(Core *core, NetPolicy *base, NetPolicy *policy)
{
    Network *network = g_rc_box_new0(Network);

    network->core = core;
    network->base = base;
    network->policy = policy;
    network->charged = network_amounts(&core->config, base, policy);
    network->watches = g_ptr_array_new();
    network->traffic_callers = g_ptr_array_new_with_free_func(g_object_unref);
    return network;
}

Network *
network_ref(Network *network)
{
    return g_rc_box_acquire(network);
}

static void
network_clear(gpointer data)
{
    Network *network = data;

    g_assert(!network->sandbox && !network->change && !network->next && network->retry == 0);
    net_policy_free(network->base);
    net_policy_free(network->policy);
    g_free(network->reason);
    g_free(network->certificates);
    g_free(network->trusted);
    g_ptr_array_unref(network->watches);
    g_ptr_array_unref(network->traffic_callers);
}

void
network_unref(Network *network)
{
    if (network)
        g_rc_box_release_full(network, network_clear);
}

void
network_enter(Network *network, Sandbox *sandbox)
{
    network->sandbox = sandbox;
    g_hash_table_insert(network->core->networks, sandbox->id, network);
}

void
network_leave(Network *network)
{
    if (!network->sandbox)
        return;
    g_hash_table_remove(network->core->networks, network->sandbox->id);
    network->sandbox = NULL;
    g_clear_handle_id(&network->retry, g_source_remove);
    network_watches_end(network);
    network_changes_clear(network);
    network->has_port = FALSE;
    g_clear_pointer(&network->certificates, g_free);
    g_clear_pointer(&network->trusted, g_free);
    network->state = NETWORK_OFF;
}

void
network_end(Network *network)
{
    if (network->sandbox && network->core->egress &&
        (network_is_on(network) || network->has_port || network->change))
        egress_remove(network->core->egress, network->sandbox->id);
    network_leave(network);
}
