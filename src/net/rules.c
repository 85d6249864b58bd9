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
    gboolean is_local; /* a local name, or a private address: neither "*" nor a mode contains it */
} NetQuestion;

static const char not_canonical[] = "not a canonical name";
static const char off[] = "the network is off";
static const char no_layer[] = "no policy";
static const char not_listed[] = "not in allow";
static const char internet[] = "mode internet";
static const char never[] = "an address that no sandbox may reach";
static const char local_name[] = "a local name: it needs an entry in allow";
static const char private_address[] =
    "a private address: it needs private=true and a network in allow";
static const char conflict[] = "the policies demand different protocols";

/* --- life --- */

/* The text of a target becomes that of its verdicts. FALSE: an entry cannot be parsed. */
static gboolean
parse_targets(const char *option, char **entries, GPtrArray *targets)
{
    for (char **entry = entries; *entry; entry++) {
        NetTarget *target = net_target_parse(*entry, /* error= */ NULL);

        if (!target)
            return FALSE;
        g_free(target->text);
        target->text = g_strdup_printf("%s %s", option, *entry);
        g_ptr_array_add(targets, target);
    }
    return TRUE;
}

static NetLayer *
layer_new(void)
{
    NetLayer *layer = g_new0(NetLayer, 1);

    layer->allow = g_ptr_array_new_with_free_func((GDestroyNotify)net_target_free);
    layer->deny = g_ptr_array_new_with_free_func((GDestroyNotify)net_target_free);
    layer->secrets = g_ptr_array_new_with_free_func((GDestroyNotify)net_secret_free);
    return layer;
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
    NetLayer *layer = layer_new();

    layer->mode = policy->mode;
    layer->is_ceiling = is_ceiling;
    layer->has_private = policy->has_private;
    if (!parse_targets("allow", policy->allow, layer->allow) ||
        !parse_targets("deny", policy->deny, layer->deny))
        layer->mode = NET_OFF;
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

/* The protocol that satisfies both: TLS and HTTP consist of bytes, and what is inspected is TLS.
 * FALSE: none does. */
static gboolean
combine(NetProtocol a, NetProtocol b, NetProtocol *ret)
{
    if (a == b || b == NET_TCP)
        *ret = a;
    else if (a == NET_TCP)
        *ret = b;
    else if (a != NET_HTTP && b != NET_HTTP)
        *ret = NET_INSPECT;
    else
        return FALSE;
    return TRUE;
}

static gboolean
contains(const NetTarget *target, const NetQuestion *question)
{
    return question->address ? net_target_has_address(target, question->address)
                             : net_target_has_name(target, question->name);
}

/* Returns the narrowest entry of `allow`. */
static const NetTarget *
find_allowed(const NetLayer *layer, const NetQuestion *question)
{
    const NetTarget *found = NULL;

    for (guint i = 0; i < layer->allow->len; i++) {
        const NetTarget *target = layer->allow->pdata[i];

        if (!contains(target, question) || (question->is_local && target->kind == NET_TARGET_ALL) ||
            (question->port != 0 && !net_target_has_port(target, question->port)))
            continue;
        if (!found || net_target_is_narrower(target, found))
            found = target;
    }
    return found;
}

/* For any port, only an entry that denies all ports counts. */
static gboolean
denies_port(const NetTarget *target, guint16 port)
{
    return port == 0 ? target->port_first <= 1 && target->port_last == G_MAXUINT16
                     : net_target_has_port(target, port);
}

static const NetTarget *
find_denied(const NetLayer *layer, const NetQuestion *question)
{
    for (guint i = 0; i < layer->deny->len; i++) {
        const NetTarget *target = layer->deny->pdata[i];

        if (contains(target, question) && denies_port(target, question->port))
            return target;
    }
    return NULL;
}

/* What `allow` says, and then the mode. */
static NetVerdict
judge_allowed(const NetLayer *layer, const NetQuestion *question)
{
    const NetTarget *allowed = find_allowed(layer, question);
    NetVerdict verdict;

    if (allowed) {
        verdict = allow(allowed->protocol, allowed->text);
        verdict.is_listed = allowed->kind == NET_TARGET_NETWORK;
        return verdict;
    }
    if (layer->mode != NET_INTERNET)
        return refuse(not_listed);
    return question->is_local && !layer->is_ceiling ? refuse(local_name)
                                                    : allow(NET_BY_PORT, internet);
}

/* --- names --- */

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
    const NetTarget *denied = find_denied(layer, question);
    NetVerdict verdict;

    if (layer->mode == NET_OFF)
        return refuse(off);
    if (denied)
        return refuse(denied->text);
    verdict = judge_allowed(layer, question);
    if (!verdict.is_allowed || !has_secret(layer, question))
        return verdict;
    if (verdict.protocol == NET_TCP || verdict.protocol == NET_HTTP)
        return refuse(conflict);
    verdict.protocol = NET_INSPECT;
    return verdict;
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
    NetQuestion question = *search->question;

    question.address = address;
    search->denied = find_denied(search->layer, &question);
    return !search->denied;
}

static gboolean
may_be_private(const NetLayer *layer, const NetQuestion *question)
{
    if (layer->is_ceiling && layer->mode == NET_INTERNET)
        return TRUE;
    return (layer->is_ceiling || layer->has_private) && find_allowed(layer, question);
}

static NetVerdict
judge_address(const NetLayer *layer, const NetQuestion *question)
{
    NetDenySearch search = {.layer = layer, .question = question};

    if (layer->mode == NET_OFF)
        return refuse(off);
    if (!net_address_visit(question->address, is_not_denied, &search))
        return refuse(search.denied->text);
    if (question->is_local && !may_be_private(layer, question))
        return refuse(private_address);
    return question->name ? allow(NET_BY_PORT, internet) : judge_allowed(layer, question);
}

/* --- all layers --- */

static NetProtocol
protocol_of_port(guint16 port)
{
    return port == 443 ? NET_TLS : port == 80 ? NET_HTTP : NET_TCP;
}

/* Adds what a layer demands. FALSE: it contradicts other layers. Lookups have no protocol. */
static gboolean
add_protocol(const NetLayer *layer, const NetQuestion *question, NetProtocol demanded,
             NetProtocol *protocol)
{
    if (demanded == NET_BY_PORT)
        demanded = layer->is_ceiling ? NET_TCP : protocol_of_port(question->port);
    return question->port == 0 || combine(*protocol, demanded, protocol);
}

/* The rule of the last layer, the sandbox's, is that of an allowed connection. */
static NetVerdict
judge(const NetRules *rules, const NetQuestion *question,
      NetVerdict (*judge_layer)(const NetLayer *layer, const NetQuestion *question))
{
    NetVerdict verdict = refuse(no_layer);
    NetProtocol protocol = NET_TCP;
    gboolean is_only_limited = TRUE;

    for (guint i = 0; i < rules->layers->len; i++) {
        const NetLayer *layer = rules->layers->pdata[i];

        verdict = judge_layer(layer, question);
        if (!verdict.is_allowed)
            return verdict;
        if (!add_protocol(layer, question, verdict.protocol, &protocol))
            return refuse(conflict);
        is_only_limited = is_only_limited && layer->is_ceiling;
    }
    verdict.protocol = protocol;
    return is_only_limited ? refuse(no_layer) : verdict;
}

NetVerdict
net_rules_judge_lookup(const NetRules *rules, const char *name)
{
    return net_rules_judge_name(rules, name, /* port= */ 0);
}

NetVerdict
net_rules_judge_name(const NetRules *rules, const char *name, guint16 port)
{
    const NetQuestion question = {.name = name, .port = port, .is_local = net_name_is_local(name)};
    g_autofree char *canonical = net_name_canonical(name);

    /* No entry of `deny` contains another form of its name. */
    return g_strcmp0(name, canonical) == 0 ? judge(rules, &question, judge_name)
                                           : refuse(not_canonical);
}

NetVerdict
net_rules_judge_address(const NetRules *rules, const char *name, const NetAddress *address,
                        guint16 port, NetReach reach)
{
    const NetReach narrower = MAX(reach, net_address_reach(address));
    const NetQuestion question = {
        .name = name, .address = address, .port = port, .is_local = narrower != NET_PUBLIC};
    NetVerdict of_name = {.is_allowed = TRUE}, verdict;

    if (name)
        of_name = net_rules_judge_name(rules, name, port);
    if (!of_name.is_allowed)
        return of_name;
    if (narrower == NET_NEVER)
        return refuse(never);
    verdict = judge(rules, &question, judge_address);
    return name && verdict.is_allowed ? of_name : verdict;
}
