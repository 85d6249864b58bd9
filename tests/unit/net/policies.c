/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policies: parts of policies for tests. */
#include "policies.h"

char **
list_new(const char *entry)
{
    char **list = g_new0(char *, 2);

    list[0] = g_strdup(entry);
    return list;
}

void
set_list(char ***list, char **value)
{
    g_strfreev(*list);
    *list = value;
}

/* `count` times the same entry. */
char **
repeat(const char *entry, guint count)
{
    char **list = g_new0(char *, count + 1);

    for (guint i = 0; i < count; i++)
        list[i] = g_strdup(entry);
    return list;
}

NetSecret *
secret_new(const char *name, const char *host)
{
    NetSecret *secret = g_new0(NetSecret, 1);

    secret->name = g_strdup(name);
    secret->host = g_strdup(host);
    secret->port = 443;
    secret->header = g_strdup("Authorization");
    secret->format = g_strdup("Bearer %s");
    secret->methods = g_new0(char *, 1);
    secret->paths = g_new0(char *, 1);
    return secret;
}

/* Mode internet with one secret, which is returned. */
NetPolicy *
policy_new(NetSecret **ret_secret)
{
    NetPolicy *policy = net_policy_new();

    policy->mode = NET_INTERNET;
    if (ret_secret) {
        *ret_secret = secret_new("key", "api.example");
        g_ptr_array_add(policy->secrets, *ret_secret);
    }
    return policy;
}
