/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secrets: the secrets of a worker, with their values. */
#include "secrets.h"

#include <string.h>

#include "error.h"
#include "util.h"

/* The relay takes whatever a policy may have. */
G_STATIC_ASSERT(SECRETS_MAX >= NET_SECRETS_MAX);
G_STATIC_ASSERT(SECRET_VALUE_MAX >= NET_SECRET_VALUE_MAX);

typedef struct {
    gsize size;
    char bytes[NET_SECRET_VALUE_MAX];
} SecretsValue;

typedef struct {
    char *host;
    guint16 port;
    Secret *secret;
} SecretsEntry;

struct Secrets {
    SecretsMade *used; /* key → SecretsEntry */
    SecretsValue *fresh[NET_SECRETS_MAX];
};

/* --- life --- */

static void
value_free(SecretsValue *value)
{
    explicit_bzero(value, sizeof *value);
    g_free(value);
}

static void
entry_free(gpointer data)
{
    SecretsEntry *entry = data;

    secret_unref(entry->secret);
    g_free(entry->host);
    g_free(entry);
}

static SecretsMade *
new_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
}

Secrets *
secrets_new(void)
{
    Secrets *secrets = g_new0(Secrets, 1);

    secrets->used = new_table();
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
    g_hash_table_unref(secrets->used);
    g_free(secrets);
}

/* --- values --- */

gboolean
secrets_put(Secrets *secrets, guint index, const void *value, gsize size)
{
    if (index >= NET_SECRETS_MAX || size > NET_SECRET_VALUE_MAX)
        return FALSE;
    g_clear_pointer(&secrets->fresh[index], value_free);
    secrets->fresh[index] = g_new0(SecretsValue, 1);
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

/* Returns the new value, or the one that is in use. */
static gconstpointer
find_value(const Secrets *secrets, guint index, const char *key, gsize *ret_size)
{
    const SecretsEntry *entry = g_hash_table_lookup(secrets->used, key);

    if (secrets->fresh[index]) {
        *ret_size = secrets->fresh[index]->size;
        return secrets->fresh[index]->bytes;
    }
    return entry ? secret_value(entry->secret, ret_size) : NULL;
}

/* --- secrets --- */

/* Without a name, it gets one that no guest can know: only the header is added. */
static char *
name_of(const NetSecret *given)
{
    return *given->name ? g_strdup(given->name) : util_new_id();
}

static gboolean
make_one(const Secrets *secrets, guint index, const NetSecret *given, SecretsMade *made,
         GError **error)
{
    g_autofree char *key = secrets_key(given), *name = name_of(given);
    gsize size = 0;
    gconstpointer value = find_value(secrets, index, key, &size);
    g_autoptr(Secret) secret = NULL;
    SecretsEntry *entry;

    if (!value) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "secrets: the one for the header '%s' of host '%s' has no value", given->header,
                    given->host);
        return FALSE;
    }
    secret =
        secret_new(name, given->header, given->format, value, size,
                   (const char *const *)given->methods, (const char *const *)given->paths, error);
    if (!secret) {
        g_prefix_error(error, "secrets: ");
        return FALSE;
    }
    if (*given->name)
        secret_only_replace(secret);
    entry = g_new0(SecretsEntry, 1);
    entry->host = g_strdup(given->host);
    entry->port = given->port;
    entry->secret = g_steal_pointer(&secret);
    g_hash_table_insert(made, g_steal_pointer(&key), entry);
    return TRUE;
}

SecretsMade *
secrets_make(const Secrets *secrets, const NetPolicy *policy, GError **error)
{
    g_autoptr(GHashTable) made = new_table();

    for (guint i = 0; i < policy->secrets->len; i++)
        if (!make_one(secrets, i, policy->secrets->pdata[i], made, error))
            return NULL;
    return g_steal_pointer(&made);
}

void
secrets_use(Secrets *secrets, SecretsMade *made)
{
    secrets_drop_new(secrets);
    g_hash_table_unref(secrets->used);
    secrets->used = made;
}

GPtrArray *
secrets_find(const Secrets *secrets, const char *host, guint16 port)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, secrets->used);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const SecretsEntry *entry = value;

        if (entry->port == port && g_str_equal(entry->host, host))
            g_ptr_array_add(found, secret_ref(entry->secret));
    }
    return found->len > 0 ? g_steal_pointer(&found) : NULL;
}
