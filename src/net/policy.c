/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policy: its life, its checks, and its form in messages. */
#include "policy.h"

#include <string.h>

#include "error.h"
#include "rules.h"
#include "secret-text.h"

static const char *const modes[_NET_MODE_MAX] = {"off", "restricted", "internet"};

const char *
net_mode_name(NetMode mode)
{
    return modes[mode];
}

gboolean
net_mode_parse(const char *name, NetMode *ret)
{
    for (guint i = 0; i < _NET_MODE_MAX; i++)
        if (g_str_equal(name, modes[i])) {
            *ret = (NetMode)i;
            return TRUE;
        }
    return FALSE;
}

/* --- life --- */

NetSecret *
net_secret_copy(const NetSecret *secret)
{
    NetSecret *copy = g_memdup2(secret, sizeof *secret);

    copy->name = g_strdup(secret->name);
    copy->host = g_strdup(secret->host);
    copy->header = g_strdup(secret->header);
    copy->format = g_strdup(secret->format);
    copy->methods = g_strdupv(secret->methods);
    copy->paths = g_strdupv(secret->paths);
    return copy;
}

void
net_secret_free(NetSecret *secret)
{
    if (!secret)
        return;
    g_free(secret->name);
    g_free(secret->host);
    g_free(secret->header);
    g_free(secret->format);
    g_strfreev(secret->methods);
    g_strfreev(secret->paths);
    g_free(secret);
}

static GPtrArray *
new_secrets(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)net_secret_free);
}

NetPolicy *
net_policy_new(void)
{
    NetPolicy *policy = g_new0(NetPolicy, 1);

    policy->allow = g_new0(char *, 1);
    policy->deny = g_new0(char *, 1);
    policy->secrets = new_secrets();
    return policy;
}

NetPolicy *
net_policy_copy(const NetPolicy *policy)
{
    NetPolicy *copy = g_memdup2(policy, sizeof *policy);

    copy->allow = g_strdupv(policy->allow);
    copy->deny = g_strdupv(policy->deny);
    copy->secrets = new_secrets();
    for (guint i = 0; i < policy->secrets->len; i++)
        g_ptr_array_add(copy->secrets, net_secret_copy(policy->secrets->pdata[i]));
    return copy;
}

void
net_policy_free(NetPolicy *policy)
{
    if (!policy)
        return;
    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    g_ptr_array_unref(policy->secrets);
    g_free(policy);
}

/* --- checks --- */

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, message);
    return FALSE;
}

/* `deny` refuses connections of every protocol, so an entry that names one would mislead. */
static gboolean
check_entries(const char *option, char **entries, gboolean may_have_protocol, GError **error)
{
    if (g_strv_length(entries) > NET_ENTRIES_MAX)
        return refuse(error, "%s: more than %u entries", option, NET_ENTRIES_MAX);
    for (char **entry = entries; *entry; entry++) {
        g_autoptr(NetTarget) target = net_target_parse(*entry, error);

        if (!target) {
            g_prefix_error(error, "%s: ", option);
            return FALSE;
        }
        if (!may_have_protocol && target->protocol != NET_BY_PORT)
            return refuse(error, "%s: '%s': an entry here has no protocol", option, *entry);
    }
    return TRUE;
}

/* In messages, the texts of a policy have one bound. */
G_STATIC_ASSERT(SECRET_NAME_MAX <= NET_SECRET_TEXT_MAX);
G_STATIC_ASSERT(SECRET_HEADER_MAX <= NET_SECRET_TEXT_MAX);
G_STATIC_ASSERT(SECRET_FORMAT_MAX <= NET_SECRET_TEXT_MAX);
G_STATIC_ASSERT(HTTP_METHOD_MAX <= NET_SECRET_TEXT_MAX);

static gboolean
is_printable(const char *text)
{
    for (; *text; text++)
        if (!g_ascii_isprint(*text))
            return FALSE;
    return TRUE;
}

/* Escapes are refused: %c3 and %C3 are the same in a path, but not the same prefix. */
static gboolean
path_is_valid(const char *path)
{
    return http_filter_path_is_valid(path) && !strchr(path, '%') &&
           strlen(path) <= NET_SECRET_TEXT_MAX;
}

static gboolean
check_filters(const NetSecret *secret, GError **error)
{
    if (g_strv_length(secret->methods) > NET_METHODS_MAX)
        return refuse(error, "secrets: more than %u methods", NET_METHODS_MAX);
    if (g_strv_length(secret->paths) > NET_PATHS_MAX)
        return refuse(error, "secrets: more than %u paths", NET_PATHS_MAX);
    for (char **method = secret->methods; *method; method++)
        if (!http_filter_method_is_valid(*method))
            return refuse(error,
                          "secrets: '%s' is not a method: at most %u capital letters and '-'",
                          *method, HTTP_METHOD_MAX);
    for (char **path = secret->paths; *path; path++)
        if (!path_is_valid(*path))
            return refuse(error,
                          "secrets: '%s' is not a path: it begins with '/', has no '%%', '?', "
                          "'#', '\\', '//', '.' or '..' as a part, and at most %u characters",
                          *path, NET_SECRET_TEXT_MAX);
    return TRUE;
}

static gboolean
check_secret(const NetSecret *secret, GError **error)
{
    g_autofree char *host = net_name_canonical(secret->host);

    if (g_strcmp0(host, secret->host) != 0)
        return refuse(error, "secrets: '%s' is not the name of a host", secret->host);
    if (secret->port == 0)
        return refuse(error, "secrets: port 0 of host '%s'", secret->host);
    if (!secret_header_is_valid(secret->header))
        return refuse(error,
                      "secrets: '%s' is not a header of at most %u characters that can have a "
                      "secret",
                      secret->header, SECRET_HEADER_MAX);
    if (!is_printable(secret->format) || !secret_format_is_valid(secret->format))
        return refuse(error,
                      "secrets: the format '%s' does not contain exactly one %%s, begins or ends "
                      "with a space, or has more than %u characters",
                      secret->format, SECRET_FORMAT_MAX);
    if (*secret->name && !secret_name_is_valid(secret->name))
        return refuse(error,
                      "secrets: '%s' is not a name of at most %u letters, digits, '-' and '_'",
                      secret->name, SECRET_NAME_MAX);
    return check_filters(secret, error);
}

/* Two secrets of one host may not have the same header or name: it would be unclear which one is
 * meant. */
static gboolean
check_distinct(const GPtrArray *secrets, guint index, GError **error)
{
    const NetSecret *secret = secrets->pdata[index];

    for (guint i = 0; i < index; i++) {
        const NetSecret *other = secrets->pdata[i];

        if (*secret->name && g_str_equal(secret->name, other->name))
            return refuse(error, "secrets: two are named '%s'", secret->name);
        if (g_str_equal(secret->host, other->host) && secret->port == other->port &&
            g_ascii_strcasecmp(secret->header, other->header) == 0)
            return refuse(error, "secrets: two for the header '%s' of host '%s'", secret->header,
                          secret->host);
    }
    return TRUE;
}

static gboolean
check_secrets(const NetPolicy *policy, GError **error)
{
    g_autoptr(NetRules) rules = net_rules_new();

    if (policy->secrets->len > NET_SECRETS_MAX)
        return refuse(error, "secrets: more than %u", NET_SECRETS_MAX);
    for (guint i = 0; i < policy->secrets->len; i++)
        if (!check_secret(policy->secrets->pdata[i], error) ||
            !check_distinct(policy->secrets, i, error))
            return FALSE;
    net_rules_add(rules, policy, /* is_ceiling= */ FALSE);
    for (guint i = 0; i < policy->secrets->len; i++) {
        const NetSecret *secret = policy->secrets->pdata[i];
        NetVerdict verdict = net_rules_judge_name(rules, secret->host, secret->port);

        if (!verdict.is_allowed)
            return refuse(error, "secrets: '%s', port %u, is not allowed: %s", secret->host,
                          (guint)secret->port, verdict.rule);
    }
    return TRUE;
}

/* Several policies must fit into one message. */
static gboolean
check_size(const NetPolicy *policy, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(NET_POLICY_MAX);
    WireWriter w = {.data = buffer, .size = NET_POLICY_MAX};

    net_policy_put(&w, policy);
    return !w.overflow || refuse(error, "allow, deny and secrets together have more than %u bytes",
                                 NET_POLICY_MAX);
}

gboolean
net_policy_check(const NetPolicy *policy, GError **error)
{
    if (policy->connections > NET_CONNECTIONS_MAX)
        return refuse(error, "connections: more than %u", NET_CONNECTIONS_MAX);
    return check_entries("allow", policy->allow, /* may_have_protocol= */ TRUE, error) &&
           check_entries("deny", policy->deny, /* may_have_protocol= */ FALSE, error) &&
           check_secrets(policy, error) && check_size(policy, error);
}

gboolean
net_policy_wants_private(const NetPolicy *policy)
{
    return policy->mode != NET_OFF && policy->has_private;
}

/* --- messages --- */

static void
put_secret(WireWriter *w, const NetSecret *secret)
{
    wire_put_string(w, secret->name);
    wire_put_string(w, secret->host);
    wire_put_u32(w, secret->port);
    wire_put_string(w, secret->header);
    wire_put_string(w, secret->format);
    wire_put_strv(w, (const char *const *)secret->methods);
    wire_put_strv(w, (const char *const *)secret->paths);
}

void
net_policy_put(WireWriter *w, const NetPolicy *policy)
{
    wire_put_u32(w, policy->mode);
    wire_put_u32(w, policy->has_private ? 1 : 0);
    wire_put_u64(w, policy->bandwidth);
    wire_put_u64(w, policy->connections);
    wire_put_u64(w, policy->traffic);
    wire_put_strv(w, (const char *const *)policy->allow);
    wire_put_strv(w, (const char *const *)policy->deny);
    wire_put_u32(w, policy->secrets->len);
    for (guint i = 0; i < policy->secrets->len; i++)
        put_secret(w, policy->secrets->pdata[i]);
}

/* wire.h allocates by malloc(), which GLib's g_free() also frees. */
static NetSecret *
get_secret(WireReader *r)
{
    NetSecret *secret = g_new0(NetSecret, 1);
    guint32 port;

    secret->name = wire_get_string(r, NET_SECRET_TEXT_MAX);
    secret->host = wire_get_string(r, NET_SECRET_TEXT_MAX);
    port = wire_get_u32(r);
    secret->port = (guint16)port;
    secret->header = wire_get_string(r, NET_SECRET_TEXT_MAX);
    secret->format = wire_get_string(r, NET_SECRET_TEXT_MAX);
    secret->methods = wire_get_strv(r, NET_METHODS_MAX, NET_SECRET_TEXT_MAX);
    secret->paths = wire_get_strv(r, NET_PATHS_MAX, NET_SECRET_TEXT_MAX);
    if (port > G_MAXUINT16)
        r->failed = true;
    return secret;
}

static void
get_lists(WireReader *r, NetPolicy *policy)
{
    guint32 count;

    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->allow = wire_get_strv(r, NET_ENTRIES_MAX, NET_TARGET_MAX);
    policy->deny = wire_get_strv(r, NET_ENTRIES_MAX, NET_TARGET_MAX);
    count = wire_get_u32(r);
    if (count > NET_SECRETS_MAX)
        r->failed = true;
    for (guint32 i = 0; i < count && !r->failed; i++)
        g_ptr_array_add(policy->secrets, get_secret(r));
}

NetPolicy *
net_policy_get(WireReader *r)
{
    g_autoptr(NetPolicy) policy = net_policy_new();
    guint32 mode = wire_get_u32(r), has_private = wire_get_u32(r);

    policy->bandwidth = wire_get_u64(r);
    policy->connections = wire_get_u64(r);
    policy->traffic = wire_get_u64(r);
    get_lists(r, policy);
    if (r->failed || mode >= _NET_MODE_MAX || has_private > 1)
        return NULL;
    policy->mode = (NetMode)mode;
    policy->has_private = has_private == 1;
    return g_steal_pointer(&policy);
}
