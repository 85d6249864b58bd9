/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-options: reads the policy of a network from an a{sv} of a call.
 *
 * The value of a secret is a file in memory (memfd_create(2)), which this service passes on without
 * reading it. A read of such a file never waits for the caller.
 */
#include "network-options.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "error.h"

#define INVALID(error, ...)                                                                        \
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

#define SECRET_PORT 443

const Option network_options[] = {
    {"mode", "s"},    {"allow", "as"},       {"deny", "as"},
    {"private", "b"}, {"bandwidth", "t"},    {"connections", "u"},
    {"traffic", "t"}, {"secrets", "aa{sv}"}, {NULL, NULL},
};

static const Option secret_options[] = {
    {"host", "s"}, {"header", "s"}, {"format", "s"},   {"value", "h"}, {"name", "s"},
    {"port", "q"}, {"paths", "as"}, {"methods", "as"}, {NULL, NULL},
};

/* --- secrets --- */

/* The descriptor belongs to the call. */
static gboolean
find_value(const Call *call, int index, int *ret_fd, GError **error)
{
    struct stat st;
    int fd = -1;

    if (call->fds && index >= 0 && (guint)index < call->fds->len)
        fd = g_array_index(call->fds, int, index);
    if (fd < 0)
        INVALID(error, "value: the descriptor did not come with the call");
    else if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        INVALID(error, "value: the descriptor is not one of memfd_create(2)");
    else if (st.st_size < 1 || st.st_size > (off_t)NET_SECRET_VALUE_MAX)
        INVALID(error, "value: it must have 1 to %u bytes, not %" G_GINT64_FORMAT,
                NET_SECRET_VALUE_MAX, (gint64)st.st_size);
    else {
        *ret_fd = fd;
        return TRUE;
    }
    return FALSE;
}

/* Returns the text under `key`, or the preset. */
static char *
get_text(GVariant *dict, const char *key, const char *preset)
{
    const char *text = preset;

    g_variant_lookup(dict, key, "&s", &text);
    return g_strdup(text);
}

static char **
get_list(GVariant *dict, const char *key)
{
    char **list = NULL;

    return g_variant_lookup(dict, key, "^as", &list) ? list : g_new0(char *, 1);
}

/* An invalid name stays as it is: the check of the policy reports it. */
static char *
get_host(GVariant *dict)
{
    g_autofree char *given = get_text(dict, "host", "");
    char *canonical = net_name_canonical(given);

    return canonical ? canonical : g_steal_pointer(&given);
}

static NetSecret *
secret_new(GVariant *dict)
{
    NetSecret *secret = g_new0(NetSecret, 1);
    guint16 port = SECRET_PORT;

    g_variant_lookup(dict, "port", "q", &port);
    secret->port = port;
    secret->host = get_host(dict);
    secret->name = get_text(dict, "name", "");
    secret->header = get_text(dict, "header", "");
    secret->format = get_text(dict, "format", "%s");
    secret->methods = get_list(dict, "methods");
    secret->paths = get_list(dict, "paths");
    return secret;
}

static gboolean
unpack_secret(Call *call, GVariant *dict, GError **error)
{
    gint32 index;
    int fd = -1;

    if (!options_check(dict, secret_options, error))
        return FALSE;
    if (g_variant_lookup(dict, "value", "h", &index) && !find_value(call, index, &fd, error))
        return FALSE;
    g_ptr_array_add(call->network.policy->secrets, secret_new(dict));
    g_array_append_val(call->network.secrets, fd);
    return TRUE;
}

static gboolean
unpack_secrets(Call *call, GVariant *dict, GError **error)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(dict, "secrets", G_VARIANT_TYPE("aa{sv}"));
    gsize count = list ? g_variant_n_children(list) : 0;

    if (count > NET_SECRETS_MAX) {
        INVALID(error, "secrets: more than %u", NET_SECRETS_MAX);
        return FALSE;
    }
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) secret = g_variant_get_child_value(list, i);

        if (!unpack_secret(call, secret, error)) {
            g_prefix_error(error, "secrets: ");
            return FALSE;
        }
    }
    return TRUE;
}

/* --- the policy --- */

/* Nothing at all means "off". */
static gboolean
unpack_mode(GVariant *dict, NetPolicy *policy, GError **error)
{
    gsize count = g_variant_n_children(dict);
    g_autofree char *mode = get_text(dict, "mode", count > 0 ? "" : "off");

    if (*mode == '\0')
        INVALID(error, "mode: it is missing");
    else if (!net_mode_parse(mode, &policy->mode))
        INVALID(error, "mode: it must be 'off', 'restricted' or 'internet'");
    else if (policy->mode == NET_OFF && count > 1)
        INVALID(error, "mode: it is 'off', so there can be no other option");
    else
        return TRUE;
    return FALSE;
}

static void
unpack_lists(GVariant *dict, NetPolicy *policy)
{
    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->allow = get_list(dict, "allow");
    policy->deny = get_list(dict, "deny");
}

static gboolean
unpack(Call *call, GVariant *dict, GError **error)
{
    NetPolicy *policy = call->network.policy;
    guint32 connections = 0;

    if (!options_check(dict, network_options, error) || !unpack_mode(dict, policy, error))
        return FALSE;
    unpack_lists(dict, policy);
    g_variant_lookup(dict, "private", "b", &policy->has_private);
    g_variant_lookup(dict, "bandwidth", "t", &policy->bandwidth);
    g_variant_lookup(dict, "traffic", "t", &policy->traffic);
    g_variant_lookup(dict, "connections", "u", &connections);
    policy->connections = connections;
    return unpack_secrets(call, dict, error) && net_policy_check(policy, error);
}

gboolean
network_options_unpack(Call *call, GVariant *dict, GError **error)
{
    call->network.policy = net_policy_new();
    call->network.secrets = g_array_new(FALSE, FALSE, sizeof(int));
    if (unpack(call, dict, error))
        return TRUE;
    g_prefix_error(error, "network: ");
    return FALSE;
}

void
network_options_clear(NetworkRequest *network)
{
    g_clear_pointer(&network->policy, net_policy_free);
    g_clear_pointer(&network->secrets, g_array_unref);
}
