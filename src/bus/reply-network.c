/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reply-network: what the API shows of a sandbox's network: no value of a secret. */
#include "network.h"
#include "reply.h"

static void
add(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

static void
add_list(GVariantBuilder *dict, const char *key, char **list)
{
    add(dict, key, g_variant_new_strv((const char *const *)list, -1));
}

static GVariant *
reply_secrets(const NetPolicy *policy)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < policy->secrets->len; i++) {
        const NetSecret *secret = policy->secrets->pdata[i];

        g_variant_builder_open(&list, G_VARIANT_TYPE_VARDICT);
        add(&list, "host", g_variant_new_string(secret->host));
        add(&list, "port", g_variant_new_uint16(secret->port));
        add(&list, "header", g_variant_new_string(secret->header));
        add(&list, "format", g_variant_new_string(secret->format));
        add(&list, "name", g_variant_new_string(secret->name));
        add_list(&list, "methods", secret->methods);
        add_list(&list, "paths", secret->paths);
        g_variant_builder_close(&list);
    }
    return g_variant_builder_end(&list);
}

GVariant *
reply_network(const Network *network)
{
    const NetPolicy *policy = network_policy(network);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "mode", g_variant_new_string(net_mode_name(policy->mode)));
    add(&dict, "state", g_variant_new_string(network_state_name(network_state(network))));
    add(&dict, "reason", g_variant_new_string(network_reason(network)));
    add_list(&dict, "allow", policy->allow);
    add_list(&dict, "deny", policy->deny);
    add(&dict, "private", g_variant_new_boolean(policy->has_private));
    add(&dict, "bandwidth", g_variant_new_uint64(policy->bandwidth));
    add(&dict, "connections", g_variant_new_uint32((guint32)policy->connections));
    add(&dict, "traffic", g_variant_new_uint64(policy->traffic));
    add(&dict, "secrets", reply_secrets(policy));
    return g_variant_builder_end(&dict);
}

GVariant *
reply_traffic(const EgressTraffic *traffic)
{
    const struct {
        const char *key;
        guint64 number;
    } figures[] = {
        {"bytes-up", traffic->bytes_up},       {"bytes-down", traffic->bytes_down},
        {"connections", traffic->connections}, {"refused", traffic->refused},
        {"failed", traffic->failed},           {"open", traffic->open},
        {"lookups", traffic->lookups},         {"requests", traffic->requests},
    };
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{st}"));
    for (gsize i = 0; i < G_N_ELEMENTS(figures); i++)
        g_variant_builder_add(&dict, "{st}", figures[i].key, figures[i].number);
    return g_variant_builder_end(&dict);
}
