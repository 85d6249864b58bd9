/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-network: a policy of a sandbox's network, in the key file of its record. */
#include "record-network.h"

#include "error.h"

static char *
secret_group(const char *name, guint index)
{
    return g_strdup_printf("%s.Secret.%u", name, index);
}

/* --- writing --- */

static void
write_list(GKeyFile *file, const char *group, const char *key, char **values)
{
    g_key_file_set_string_list(file, group, key, (const char *const *)values,
                               g_strv_length(values));
}

static void
write_secret(GKeyFile *file, const char *group, const NetSecret *secret)
{
    g_key_file_set_string(file, group, "Name", secret->name);
    g_key_file_set_string(file, group, "Host", secret->host);
    g_key_file_set_uint64(file, group, "Port", secret->port);
    g_key_file_set_string(file, group, "Header", secret->header);
    g_key_file_set_string(file, group, "Format", secret->format);
    write_list(file, group, "Methods", secret->methods);
    write_list(file, group, "Paths", secret->paths);
}

void
record_network_write(GKeyFile *file, const char *name, const NetPolicy *policy)
{
    g_key_file_set_string(file, name, "Mode", net_mode_name(policy->mode));
    write_list(file, name, "Allow", policy->allow);
    write_list(file, name, "Deny", policy->deny);
    g_key_file_set_boolean(file, name, "Private", policy->has_private);
    g_key_file_set_uint64(file, name, "Bandwidth", policy->bandwidth);
    g_key_file_set_uint64(file, name, "Connections", policy->connections);
    g_key_file_set_uint64(file, name, "Traffic", policy->traffic);
    g_key_file_set_uint64(file, name, "Secrets", policy->secrets->len);
    for (guint i = 0; i < policy->secrets->len; i++) {
        g_autofree char *group = secret_group(name, i);

        write_secret(file, group, policy->secrets->pdata[i]);
    }
}

/* --- reading --- */

/* Each reads a value, unless an earlier one was missing. */

static char *
read_text(GKeyFile *file, const char *group, const char *key, GError **error)
{
    return *error ? NULL : g_key_file_get_string(file, group, key, error);
}

static char **
read_list(GKeyFile *file, const char *group, const char *key, GError **error)
{
    return *error ? NULL : g_key_file_get_string_list(file, group, key, /* length= */ NULL, error);
}

static guint64
read_number(GKeyFile *file, const char *group, const char *key, guint64 max, GError **error)
{
    guint64 number = *error ? 0 : g_key_file_get_uint64(file, group, key, error);

    if (!*error && number > max)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s is more than %" G_GUINT64_FORMAT,
                    key, max);
    return number;
}

static NetSecret *
read_secret(GKeyFile *file, const char *group, GError **error)
{
    NetSecret *secret = g_new0(NetSecret, 1);

    secret->name = read_text(file, group, "Name", error);
    secret->host = read_text(file, group, "Host", error);
    secret->port = (guint16)read_number(file, group, "Port", G_MAXUINT16, error);
    secret->header = read_text(file, group, "Header", error);
    secret->format = read_text(file, group, "Format", error);
    secret->methods = read_list(file, group, "Methods", error);
    secret->paths = read_list(file, group, "Paths", error);
    return secret;
}

static void
read_mode(GKeyFile *file, const char *name, NetPolicy *policy, GError **error)
{
    g_autofree char *mode = read_text(file, name, "Mode", error);

    if (mode && !net_mode_parse(mode, &policy->mode))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "Mode is '%s'", mode);
}

static void
read_policy(GKeyFile *file, const char *name, NetPolicy *policy, GError **error)
{
    guint64 secrets;

    read_mode(file, name, policy, error);
    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->allow = read_list(file, name, "Allow", error);
    policy->deny = read_list(file, name, "Deny", error);
    policy->has_private = !*error && g_key_file_get_boolean(file, name, "Private", error);
    policy->bandwidth = read_number(file, name, "Bandwidth", G_MAXUINT64, error);
    policy->connections = read_number(file, name, "Connections", NET_CONNECTIONS_MAX, error);
    policy->traffic = read_number(file, name, "Traffic", G_MAXUINT64, error);
    secrets = read_number(file, name, "Secrets", NET_SECRETS_MAX, error);
    for (guint i = 0; i < secrets && !*error; i++) {
        g_autofree char *group = secret_group(name, i);

        g_ptr_array_add(policy->secrets, read_secret(file, group, error));
    }
}

NetPolicy *
record_network_read(GKeyFile *file, const char *name, GError **error)
{
    g_autoptr(NetPolicy) policy = net_policy_new();
    g_autoptr(GError) cause = NULL;

    if (!g_key_file_has_group(file, name))
        return NULL;
    read_policy(file, name, policy, &cause);
    if (!cause && net_policy_check(policy, &cause))
        return g_steal_pointer(&policy);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "[%s]: %s", name, cause->message);
    return NULL;
}
