/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rules: for each layer, first what is never allowed, then deny, then allow, then the mode. */
#include "rules.h"

#include <string.h>

typedef struct {
    NetMode mode;
    gboolean is_ceiling, has_private;
    GPtrArray *allow, *deny; /* of NetTarget; their texts are those of verdicts */
    GPtrArray *secrets;      /* of NetSecret */
} NetLayer;

struct NetRules {
    GPtrArray *layers;
    guint64 bandwidth, connections, traffic;
};

typedef struct {
    const char *name;          /* NULL: an address was asked for */
    const NetAddress *address; /* NULL: it is not known yet */
    guint16 port;              /* 0: any */
    NetReach reach;
} NetQuestion;

static const char off[] = "the network is off";
static const char no_layer[] = "no policy";
static const char not_listed[] = "not in allow";
static const char internet[] = "mode internet";
static const char never[] = "an address that no sandbox may reach";
static const char is_private[] = "a private address: it needs private=true and a network in allow";
static const char conflict[] = "the policies demand different protocols";

/* --- life --- */

/* The text of a target becomes that of its verdicts. */
static GPtrArray *
parse_targets(const char *option, char **entries)
{
    GPtrArray *targets = g_ptr_array_new_with_free_func((GDestroyNotify)net_target_free);

    for (char **entry = entries; *entry; entry++) {
        NetTarget *target = net_target_parse(*entry, /* error= */ NULL);

        if (!target)
            continue;
        g_free(target->text);
        target->text = g_strdup_printf("%s %s", option, *entry);
        g_ptr_array_add(targets, target);
    }
    return targets;
}

static void
layer_free(gpointer data)
{
    NetLayer *layer = data;

    g_ptr_array_unref(layer->allow);
    g_ptr_array_unref(layer->deny);
    g_ptr_array_unref(layer->secrets);
    g_free(layer);
}

NetRules *
net_rules_new(void)
{
    NetRules *rules = g_new0(NetRules, 1);

    rules->layers = g_ptr_array_new_with_free_func(layer_free);
    return rules;
}

void
net_rules_free(NetRules *rules)
{
    if (!rules)
        return;
    g_ptr_array_unref(rules->layers);
    g_free(rules);
}

/* 0 is no limit. */
static guint64
lower_limit(guint64 a, guint64 b)
{
    return a == 0 || b == 0 ? MAX(a, b) : MIN(a, b);
}

void
net_rules_add(NetRules *rules, const NetPolicy *policy, gboolean is_ceiling)
{
    NetLayer *layer = g_new0(NetLayer, 1);

    layer->mode = policy->mode;
    layer->is_ceiling = is_ceiling;
    layer->has_private = policy->has_private;
    layer->allow = parse_targets("allow", policy->allow);
    layer->deny = parse_targets("deny", policy->deny);
    layer->secrets = g_ptr_array_new_with_free_func((GDestroyNotify)net_secret_free);
    for (guint i = 0; i < policy->secrets->len; i++)
        g_ptr_array_add(layer->secrets, net_secret_copy(policy->secrets->pdata[i]));
    g_ptr_array_add(rules->layers, layer);
    rules->bandwidth = lower_limit(rules->bandwidth, policy->bandwidth);
    rules->connections = lower_limit(rules->connections, policy->connections);
    rules->traffic = lower_limit(rules->traffic, policy->traffic);
}

guint64
net_rules_bandwidth(const NetRules *rules)
{
    return rules->bandwidth;
}

guint64
net_rules_connections(const NetRules *rules)
{
    return rules->connections;
}

guint64
net_rules_traffic(const NetRules *rules)
{
    return rules->traffic;
}

/* --- verdicts --- */

static NetVerdict
refuse(const char *rule)
{
    return (NetVerdict){.is_allowed = FALSE, .rule = rule};
}

static NetVerdict
allow(NetProtocol protocol, const char *rule)
{
    return (NetVerdict){.is_allowed = TRUE, .protocol = protocol, .rule = rule};
}

/* Combines protocols that entries demand. FALSE: no connection satisfies both. */
static gboolean
combine(NetProtocol a, NetProtocol b, NetProtocol *ret)
{
    gboolean one_inspects = a == NET_INSPECT || b == NET_INSPECT;

    if (a == b || b == NET_BY_PORT)
        *ret = a;
    else if (a == NET_BY_PORT)
        *ret = b;
    else if (one_inspects && (a == NET_TLS || b == NET_TLS))
        *ret = NET_INSPECT;
    else
        return FALSE;
    return TRUE;
}

static gboolean
has_port(const NetTarget *target, guint16 port)
{
    return port == 0 || net_target_has_port(target, port);
}

/* --- names --- */

static const NetTarget *
find_name(const GPtrArray *targets, const char *name, guint16 port)
{
    for (guint i = 0; i < targets->len; i++) {
        const NetTarget *target = targets->pdata[i];

        if (net_target_has_name(target, name) && has_port(target, port))
            return target;
    }
    return NULL;
}

/* An entry that denies some ports of a name denies no lookup. */
static const NetTarget *
find_name_denied(const NetLayer *layer, const NetQuestion *question)
{
    const NetTarget *target = NULL;

    for (guint i = 0; i < layer->deny->len && !target; i++) {
        target = layer->deny->pdata[i];
        if (!net_target_has_name(target, question->name) ||
            (question->port == 0 ? target->port_first > 1 || target->port_last < G_MAXUINT16
                                 : !net_target_has_port(target, question->port)))
            target = NULL;
    }
    return target;
}

static gboolean
has_secret(const NetLayer *layer, const NetQuestion *question)
{
    for (guint i = 0; i < layer->secrets->len; i++) {
        const NetSecret *secret = layer->secrets->pdata[i];

        if (g_str_equal(secret->host, question->name) && secret->port == question->port)
            return TRUE;
    }
    return FALSE;
}

static NetVerdict
judge_name(const NetLayer *layer, const NetQuestion *question)
{
    const NetTarget *denied = find_name_denied(layer, question);
    const NetTarget *allowed = find_name(layer->allow, question->name, question->port);
    NetProtocol protocol = allowed ? allowed->protocol : NET_BY_PORT;

    if (layer->mode == NET_OFF)
        return refuse(off);
    if (denied)
        return refuse(denied->text);
    if (!allowed && layer->mode != NET_INTERNET)
        return refuse(not_listed);
    if (has_secret(layer, question) && !combine(protocol, NET_INSPECT, &protocol))
        return refuse(conflict);
    return allow(protocol, allowed ? allowed->text : internet);
}

/* --- addresses --- */

typedef struct {
    const NetLayer *layer;
    const NetQuestion *question;
    const NetTarget *denied;
} NetDenySearch;

static gboolean
is_not_denied(const NetAddress *address, gpointer data)
{
    NetDenySearch *search = data;

    for (guint i = 0; i < search->layer->deny->len; i++) {
        const NetTarget *target = search->layer->deny->pdata[i];

        if (net_target_has_address(target, address) && has_port(target, search->question->port)) {
            search->denied = target;
            return FALSE;
        }
    }
    return TRUE;
}

/* `only_networks`: "*" contains public addresses only. */
static const NetTarget *
find_address(const NetLayer *layer, const NetQuestion *question, gboolean only_networks)
{
    for (guint i = 0; i < layer->allow->len; i++) {
        const NetTarget *target = layer->allow->pdata[i];

        if (net_target_has_address(target, question->address) && has_port(target, question->port) &&
            !(only_networks && target->kind != NET_TARGET_NETWORK))
            return target;
    }
    return NULL;
}

static gboolean
may_be_private(const NetLayer *layer, const NetQuestion *question)
{
    if (layer->is_ceiling && layer->mode == NET_INTERNET)
        return TRUE;
    return (layer->is_ceiling || layer->has_private) &&
           find_address(layer, question, /* only_networks= */ TRUE);
}

static NetVerdict
judge_address(const NetLayer *layer, const NetQuestion *question)
{
    NetDenySearch search = {.layer = layer, .question = question};
    const NetTarget *allowed = find_address(layer, question, /* only_networks= */ FALSE);

    if (layer->mode == NET_OFF)
        return refuse(off);
    if (!net_address_visit(question->address, is_not_denied, &search))
        return refuse(search.denied->text);
    if (question->reach == NET_PRIVATE && !may_be_private(layer, question))
        return refuse(is_private);
    if (question->name)
        return allow(NET_BY_PORT, NULL);
    if (!allowed && layer->mode != NET_INTERNET)
        return refuse(not_listed);
    return allow(allowed ? allowed->protocol : NET_BY_PORT, allowed ? allowed->text : internet);
}

/* --- all layers --- */

static NetProtocol
protocol_of_port(guint16 port)
{
    return port == 443 ? NET_TLS : port == 80 ? NET_HTTP : NET_TCP;
}

/* The rule of the last layer, the sandbox's, is that of an allowed connection. */
static NetVerdict
judge(const NetRules *rules, const NetQuestion *question,
      NetVerdict (*judge_layer)(const NetLayer *layer, const NetQuestion *question))
{
    NetVerdict verdict = refuse(no_layer);
    NetProtocol protocol = NET_BY_PORT;

    for (guint i = 0; i < rules->layers->len; i++) {
        verdict = judge_layer(rules->layers->pdata[i], question);
        if (!verdict.is_allowed)
            return verdict;
        if (!combine(protocol, verdict.protocol, &protocol))
            return refuse(conflict);
    }
    verdict.protocol = protocol == NET_BY_PORT ? protocol_of_port(question->port) : protocol;
    return verdict;
}

NetVerdict
net_rules_judge_lookup(const NetRules *rules, const char *name)
{
    return net_rules_judge_name(rules, name, /* port= */ 0);
}

NetVerdict
net_rules_judge_name(const NetRules *rules, const char *name, guint16 port)
{
    const NetQuestion question = {.name = name, .port = port};

    return judge(rules, &question, judge_name);
}

NetVerdict
net_rules_judge_address(const NetRules *rules, const char *name, const NetAddress *address,
                        guint16 port, NetReach reach)
{
    const NetQuestion question = {.name = name,
                                  .address = address,
                                  .port = port,
                                  .reach = MAX(reach, net_address_reach(address))};

    return question.reach == NET_NEVER ? refuse(never) : judge(rules, &question, judge_address);
}
