/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inspected: the hosts whose requests are inspected. */
#include "inspected.h"

#include <string.h>

#include "error.h"
#include "target.h"

/* Only entries for one name can demand it. */
static void
add_targets(GHashTable *hosts, char **entries)
{
    for (char **entry = entries; *entry; entry++) {
        g_autoptr(NetTarget) target = net_target_parse(*entry, /* error= */ NULL);

        if (target && target->protocol == NET_INSPECT && target->name)
            g_hash_table_add(hosts, g_strdup(target->name));
    }
}

static GHashTable *
find_hosts(const EgressSetting *setting)
{
    GHashTable *hosts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < setting->count; i++) {
        const NetPolicy *policy = setting->layers[i];

        add_targets(hosts, policy->allow);
        for (guint j = 0; j < policy->secrets->len; j++)
            g_hash_table_add(hosts, g_strdup(((const NetSecret *)policy->secrets->pdata[j])->host));
    }
    return hosts;
}

static gboolean
permits_all(const Authority *authority, const char *const *hosts)
{
    for (const char *const *host = hosts; authority && *host; host++)
        if (!authority_permits(authority, *host))
            return FALSE;
    return authority != NULL;
}

static gboolean
refuse(GError **error)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "The names of hosts whose requests are to be inspected are too many or too long");
    return FALSE;
}

/* The certificate contains all names, and is a part of a message. */
static Authority *
make(const char *const *names, GError **error)
{
    g_autoptr(Authority) authority = authority_new(names, error);

    if (authority && strlen(authority_pem(authority)) > EGRESS_PEM_MAX) {
        refuse(error);
        return NULL;
    }
    return g_steal_pointer(&authority);
}

gboolean
inspected_make(const EgressSetting *setting, Authority *now, Authority **ret, GError **error)
{
    g_autoptr(GHashTable) found = find_hosts(setting);
    guint count = 0;
    g_autofree char **hosts = (char **)g_hash_table_get_keys_as_array(found, &count);
    const char *const *names = (const char *const *)hosts;

    if (count == 0)
        return TRUE;
    if (count > AUTHORITY_HOSTS_MAX)
        return refuse(error);
    *ret = permits_all(now, names) ? authority_ref(now) : make(names, error);
    return *ret != NULL;
}
