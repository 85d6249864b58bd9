/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secrets: the values of a worker's secrets. */
#include "secrets.h"

#include <string.h>

#include "error.h"

typedef struct {
    gsize size;
    char bytes[NET_SECRET_VALUE_MAX + 1];
} Value;

struct Secrets {
    GHashTable *values; /* key → Value */
    Value *fresh[NET_SECRETS_MAX];
};

static void
value_free(gpointer data)
{
    Value *value = data;

    if (value)
        explicit_bzero(value, sizeof *value);
    g_free(value);
}

Secrets *
secrets_new(void)
{
    Secrets *secrets = g_new0(Secrets, 1);

    secrets->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
    return secrets;
}

void
secrets_drop_new(Secrets *secrets)
{
    for (guint i = 0; i < NET_SECRETS_MAX; i++)
        g_clear_pointer(&secrets->fresh[i], value_free);
}

void
secrets_free(Secrets *secrets)
{
    if (!secrets)
        return;
    secrets_drop_new(secrets);
    g_hash_table_unref(secrets->values);
    g_free(secrets);
}

gboolean
secrets_put(Secrets *secrets, guint index, const void *value, gsize size)
{
    if (index >= NET_SECRETS_MAX || size > NET_SECRET_VALUE_MAX)
        return FALSE;
    g_clear_pointer(&secrets->fresh[index], value_free);
    secrets->fresh[index] = g_new0(Value, 1);
    secrets->fresh[index]->size = size;
    memcpy(secrets->fresh[index]->bytes, value, size);
    return TRUE;
}

char *
secrets_key(const NetSecret *secret)
{
    g_autofree char *header = g_ascii_strdown(secret->header, -1);

    return g_strdup_printf("%s:%u:%s", secret->host, (guint)secret->port, header);
}

static gboolean
all_have_values(const Secrets *secrets, const NetPolicy *policy, GError **error)
{
    for (guint i = 0; i < policy->secrets->len; i++) {
        const NetSecret *secret = policy->secrets->pdata[i];
        g_autofree char *key = secrets_key(secret);

        if (secrets->fresh[i] || g_hash_table_contains(secrets->values, key))
            continue;
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "secrets: the one for the header '%s' of host '%s' has no value",
                    secret->header, secret->host);
        return FALSE;
    }
    return TRUE;
}

gboolean
secrets_take(Secrets *secrets, const NetPolicy *policy, GError **error)
{
    GHashTable *taken;

    if (!all_have_values(secrets, policy, error)) {
        secrets_drop_new(secrets);
        return FALSE;
    }
    taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
    for (guint i = 0; i < policy->secrets->len; i++) {
        g_autofree char *key = secrets_key(policy->secrets->pdata[i]);
        gpointer old_key = NULL, value = g_steal_pointer(&secrets->fresh[i]);

        if (!value)
            g_hash_table_steal_extended(secrets->values, key, &old_key, &value);
        g_free(old_key);
        g_hash_table_insert(taken, g_steal_pointer(&key), value);
    }
    secrets_drop_new(secrets);
    g_hash_table_unref(secrets->values);
    secrets->values = taken;
    return TRUE;
}

const char *
secrets_value(const Secrets *secrets, const NetSecret *secret, gsize *ret_size)
{
    g_autofree char *key = secrets_key(secret);
    const Value *value = g_hash_table_lookup(secrets->values, key);

    if (!value)
        return NULL;
    *ret_size = value->size;
    return value->bytes;
}
