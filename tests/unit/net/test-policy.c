/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-policy: what a policy may contain. */
#include <string.h>

#include "error.h"
#include "policies.h"
#include "secret-text.h"

static void
accept(const NetPolicy *policy)
{
    g_autoptr(GError) error = NULL;

    net_policy_check(policy, &error);
    g_assert_no_error(error);
}

static void
refuse(const NetPolicy *policy, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(net_policy_check(policy, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_modes(void)
{
    NetMode mode = NET_OFF;

    g_assert_true(net_mode_parse("off", &mode) && mode == NET_OFF);
    g_assert_true(net_mode_parse("restricted", &mode) && mode == NET_RESTRICTED);
    g_assert_true(net_mode_parse("internet", &mode) && mode == NET_INTERNET);
    g_assert_false(net_mode_parse("", &mode) || net_mode_parse("Internet", &mode) ||
                   net_mode_parse("on", &mode));
    g_assert_cmpint(mode, ==, NET_INTERNET);
    g_assert_cmpstr(net_mode_name(NET_RESTRICTED), ==, "restricted");
}

static void
test_entries(void)
{
    g_autoptr(NetPolicy) policy = policy_new(NULL);

    accept(policy);
    set_list(&policy->allow, list_new("a.example:443/tls"));
    accept(policy);
    set_list(&policy->allow, list_new("a.example:x"));
    refuse(policy,
           "allow: 'a.example:x': after ':', a port (1 to 65535) or FIRST-LAST is expected");
    set_list(&policy->allow, repeat("a.example", NET_ENTRIES_MAX));
    accept(policy);
    set_list(&policy->allow, repeat("a.example", NET_ENTRIES_MAX + 1));
    refuse(policy, "allow: more than 256 entries");
    set_list(&policy->allow, g_new0(char *, 1));

    set_list(&policy->deny, list_new("10.0.0.0/8:443"));
    accept(policy);
    set_list(&policy->deny, list_new("10.0.0.1/8"));
    refuse(policy, "deny: '10.0.0.1/8': bits after the prefix must be zero");
    set_list(&policy->deny, list_new("a.example/tcp"));
    refuse(policy, "deny: 'a.example/tcp': an entry here has no protocol");
    set_list(&policy->deny, repeat("a.example", NET_ENTRIES_MAX));
    accept(policy);
    set_list(&policy->deny, repeat("a.example", NET_ENTRIES_MAX + 1));
    refuse(policy, "deny: more than 256 entries");
}

static void
test_connections(void)
{
    g_autoptr(NetPolicy) policy = policy_new(NULL);

    policy->connections = NET_CONNECTIONS_MAX;
    accept(policy);
    policy->connections++;
    refuse(policy, "connections: more than 256");
}

/* A policy that is as large as allowed, and one byte more. */
static void
test_size(void)
{
    g_autoptr(NetPolicy) policy = policy_new(NULL);
    g_autofree guint8 *buffer = g_malloc(NET_POLICY_SIZE_MAX);
    WireWriter w = {.data = buffer, .size = NET_POLICY_SIZE_MAX};
    g_autofree char *label = g_strnfill(62, 'a'), *tail = NULL;
    g_autofree char *entry = g_strjoin(".", label, label, label, NULL);
    guint length;

    set_list(&policy->allow, repeat(entry, 213));
    set_list(&policy->deny, list_new("a"));
    net_policy_put(&w, policy);
    length = NET_POLICY_MAX - (guint)w.used + 1;
    g_assert_cmpuint(length, <, 63);
    tail = g_strnfill(length, 'a');
    set_list(&policy->deny, list_new(tail));
    accept(policy);
    g_free(tail);
    tail = g_strnfill(length + 1, 'a');
    set_list(&policy->deny, list_new(tail));
    refuse(policy, "allow, deny and secrets together have more than 40960 bytes");
}

static void
test_wants_private(void)
{
    g_autoptr(NetPolicy) policy = policy_new(NULL);

    g_assert_false(net_policy_wants_private(policy));
    policy->has_private = TRUE;
    g_assert_true(net_policy_wants_private(policy));
    policy->mode = NET_OFF;
    g_assert_false(net_policy_wants_private(policy));
}

/* --- secrets --- */

static void
test_secret_hosts(void)
{
    static const struct {
        const char *host, *message;
    } rows[] = {
        {"api.example", NULL},
        {"", "secrets: '' is not the name of a host"},
        {"API.example", "secrets: 'API.example' is not the name of a host"},
        {"api.example.", "secrets: 'api.example.' is not the name of a host"},
        {"*.example", "secrets: '*.example' is not the name of a host"},
        {"8.8.8.8", "secrets: '8.8.8.8' is not the name of a host"},
        {"api.example:443", "secrets: 'api.example:443' is not the name of a host"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        NetSecret *secret;
        g_autoptr(NetPolicy) policy = policy_new(&secret);

        g_free(secret->host);
        secret->host = g_strdup(rows[i].host);
        if (rows[i].message)
            refuse(policy, rows[i].message);
        else
            accept(policy);
    }
}

/* A secret's host must be allowed at its port. */
static void
test_secret_is_allowed(void)
{
    static const struct {
        NetMode mode;
        const char *allow, *deny;
        guint16 port;
        const char *message;
    } rows[] = {
        {NET_INTERNET, "x.example", "x.example", 443, NULL},
        {NET_INTERNET, "x.example", "x.example", 1, NULL},
        {NET_INTERNET, "x.example", "x.example", 65535, NULL},
        {NET_INTERNET, "x.example", "x.example", 0, "secrets: port 0 of host 'api.example'"},
        {NET_RESTRICTED, "api.example", "x.example", 443, NULL},
        {NET_RESTRICTED, "*.example:443/inspect", "x.example", 443, "allow: *"},
        {NET_RESTRICTED, "*.example:443", "x.example", 443, NULL},
        {NET_RESTRICTED, "*.example:443", "x.example", 8443,
         "secrets: 'api.example', port 8443, is not allowed: not in allow"},
        {NET_RESTRICTED, "x.example", "x.example", 443,
         "secrets: 'api.example', port 443, is not allowed: not in allow"},
        {NET_INTERNET, "x.example", "*:443", 443,
         "secrets: 'api.example', port 443, is not allowed: deny *:443"},
        {NET_INTERNET, "x.example", "*:443", 8443, NULL},
        {NET_INTERNET, "api.example/tcp", "x.example", 443,
         "secrets: 'api.example', port 443, is not allowed: the policies demand different "
         "protocols"},
        {NET_OFF, "api.example", "x.example", 443,
         "secrets: 'api.example', port 443, is not allowed: the network is off"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        NetSecret *secret;
        g_autoptr(NetPolicy) policy = policy_new(&secret);

        policy->mode = rows[i].mode;
        secret->port = rows[i].port;
        set_list(&policy->allow, list_new(rows[i].allow));
        set_list(&policy->deny, list_new(rows[i].deny));
        g_assert_cmpint(net_policy_check(policy, &error), ==, rows[i].message == NULL);
        g_assert_true(!rows[i].message || g_pattern_match_simple(rows[i].message, error->message));
    }
}

typedef struct {
    const char *text;
    gboolean is_valid;
} Text;

/* Checks texts that replace the string at `offset` of a secret; `suffix`: what is said of others.
 */
static void
check_texts(const Text *rows, gsize count, gsize offset, const char *prefix, const char *suffix)
{
    for (gsize i = 0; i < count; i++) {
        NetSecret *secret;
        g_autoptr(NetPolicy) policy = policy_new(&secret);
        g_autofree char *message =
            g_strdup_printf("secrets: %s'%s' %s", prefix, rows[i].text, suffix);
        char **place = G_STRUCT_MEMBER_P(secret, offset);

        g_free(*place);
        *place = g_strdup(rows[i].text);
        if (rows[i].is_valid)
            accept(policy);
        else
            refuse(policy, message);
    }
}

static char *
path_of(guint size)
{
    g_autofree char *filler = g_strnfill(size - 1, 'a');

    return g_strconcat("/", filler, NULL);
}

static void
test_secret_headers(void)
{
    g_autofree char *longest = g_strnfill(SECRET_HEADER_MAX, 'a');
    g_autofree char *longer = g_strnfill(SECRET_HEADER_MAX + 1, 'a');
    const Text headers[] = {
        {"Authorization", TRUE},
        {"x-api_key.1", TRUE},
        {longest, TRUE},
        {longer, FALSE},
        {"", FALSE},
        {"a b", FALSE},
        {"a:", FALSE},
        {":authority", FALSE},
        {"a\r\nb", FALSE},
        {"caf\303\251", FALSE},
        {"Host", FALSE},
        {"hOST", FALSE},
        {"Content-Length", FALSE},
        {"content_length", FALSE},
        {"Transfer-Encoding", FALSE},
        {"Connection", FALSE},
        {"Proxy-Connection", FALSE},
        {"Proxy-Authorization", FALSE},
        {"Keep-Alive", FALSE},
        {"Upgrade", FALSE},
        {"TE", FALSE},
        {"Trailer", FALSE},
        {"Expect", FALSE},
        {"Accept-Encoding", FALSE},
        {"X-HTTP-Method-Override", FALSE},
    };

    check_texts(headers, G_N_ELEMENTS(headers), offsetof(NetSecret, header), "",
                "is not a header of at most 64 characters that can have a secret");
}

static void
test_secret_texts(void)
{
    g_autofree char *filler = g_strnfill(SECRET_FORMAT_MAX - 2, 'a');
    g_autofree char *longest_format = g_strconcat("%s", filler, NULL);
    g_autofree char *longer_format = g_strconcat("%sb", filler, NULL);
    g_autofree char *longest_name = g_strnfill(SECRET_NAME_MAX, 'a');
    g_autofree char *longer_name = g_strnfill(SECRET_NAME_MAX + 1, 'a');
    const Text formats[] = {
        {"%s", TRUE},           {"Bearer %s", TRUE},    {"token=%s; x", TRUE},
        {longest_format, TRUE}, {longer_format, FALSE}, {"", FALSE},
        {"Bearer", FALSE},      {"%", FALSE},           {"%s%s", FALSE},
        {"%%s", FALSE},         {"%d", FALSE},          {"%s %n", FALSE},
        {"%5s", FALSE},         {"a\r\nb: %s", FALSE},  {"%s\n", FALSE},
        {"\303\251 %s", FALSE}, {"\t%s", FALSE},        {" %s", FALSE},
        {"%s ", FALSE},
    };
    const Text names[] = {
        {"", TRUE},           {"github", TRUE},       {"A-b_9", TRUE}, {longest_name, TRUE},
        {longer_name, FALSE}, {"a.b", FALSE},         {"a}", FALSE},   {"a b", FALSE},
        {"$", FALSE},         {"caf\303\251", FALSE},
    };

    check_texts(formats, G_N_ELEMENTS(formats), offsetof(NetSecret, format), "the format ",
                "does not contain exactly one %s, begins or ends with a space, or has more than "
                "256 characters");
    check_texts(names, G_N_ELEMENTS(names), offsetof(NetSecret, name), "",
                "is not a name of at most 64 letters, digits, '-' and '_'");
}

/* Checks lists of one entry at `offset` of a secret. */
static void
check_lists(const Text *rows, gsize count, gsize offset, const char *suffix)
{
    for (gsize i = 0; i < count; i++) {
        NetSecret *secret;
        g_autoptr(NetPolicy) policy = policy_new(&secret);
        g_autofree char *message = g_strdup_printf("secrets: '%s' %s", rows[i].text, suffix);

        set_list(G_STRUCT_MEMBER_P(secret, offset), list_new(rows[i].text));
        if (rows[i].is_valid)
            accept(policy);
        else
            refuse(policy, message);
    }
}

static void
test_secret_filters(void)
{
    g_autofree char *longest = path_of(NET_SECRET_TEXT_MAX);
    g_autofree char *longer = path_of(NET_SECRET_TEXT_MAX + 1);
    g_autofree char *longest_method = g_strnfill(HTTP_METHOD_MAX, 'A');
    g_autofree char *longer_method = g_strnfill(HTTP_METHOD_MAX + 1, 'A');
    const Text methods[] = {{"GET", TRUE},          {"M-SEARCH", TRUE}, {longest_method, TRUE},
                            {longer_method, FALSE}, {"get", FALSE},     {"", FALSE},
                            {"GE T", FALSE},        {"*", FALSE},       {"GET1", FALSE}};
    const Text paths[] = {{"/", TRUE},        {"/a/b-c_d~.x", TRUE}, {longest, TRUE},
                          {longer, FALSE},    {"", FALSE},           {"a", FALSE},
                          {"/a?b", FALSE},    {"/a#b", FALSE},       {"/%2e", FALSE},
                          {"/%c3", FALSE},    {"/a b", FALSE},       {"/\303\251", FALSE},
                          {"/a\n", FALSE},    {"http://x/", FALSE},  {"/a//b", FALSE},
                          {"/a/../b", FALSE}, {"/.", FALSE},         {"/a\\b", FALSE}};

    check_lists(methods, G_N_ELEMENTS(methods), offsetof(NetSecret, methods),
                "is not a method: at most 32 capital letters and '-'");
    check_lists(paths, G_N_ELEMENTS(paths), offsetof(NetSecret, paths),
                "is not a path: it begins with '/', has no '%', '?', '#', '\\', '//', '.' or '..' "
                "as a part, and at most 256 characters");
}

static void
test_secret_filter_counts(void)
{
    NetSecret *secret;
    g_autoptr(NetPolicy) policy = policy_new(&secret);

    set_list(&secret->methods, repeat("GET", NET_METHODS_MAX));
    accept(policy);
    set_list(&secret->methods, repeat("GET", NET_METHODS_MAX + 1));
    refuse(policy, "secrets: more than 16 methods");
    set_list(&secret->methods, g_new0(char *, 1));

    set_list(&secret->paths, repeat("/a", NET_PATHS_MAX));
    accept(policy);
    set_list(&secret->paths, repeat("/a", NET_PATHS_MAX + 1));
    refuse(policy, "secrets: more than 64 paths");
}

static void
test_secret_pairs(void)
{
    static const struct {
        const char *name, *host, *header;
        guint16 port;
        const char *message;
    } rows[] = {
        {"other", "b.example", "Authorization", 443, NULL},
        {"other", "api.example", "X-Key", 443, NULL},
        {"other", "api.example", "Authorization", 8443, NULL},
        {"", "b.example", "Authorization", 443, NULL},
        {"key", "b.example", "Authorization", 443, "secrets: two are named 'key'"},
        {"other", "api.example", "authorization", 443,
         "secrets: two for the header 'authorization' of host 'api.example'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        NetSecret *first, *second = secret_new(rows[i].name, rows[i].host);
        g_autoptr(NetPolicy) policy = policy_new(&first);

        g_free(second->header);
        second->header = g_strdup(rows[i].header);
        second->port = rows[i].port;
        g_ptr_array_add(policy->secrets, second);
        if (rows[i].message)
            refuse(policy, rows[i].message);
        else
            accept(policy);
    }
}

static void
test_secret_count(void)
{
    g_autoptr(NetPolicy) policy = policy_new(NULL);

    for (guint i = 0; i < NET_SECRETS_MAX; i++) {
        g_autofree char *host = g_strdup_printf("h%u.example", i);

        g_ptr_array_add(policy->secrets, secret_new("", host));
    }
    accept(policy);
    g_ptr_array_add(policy->secrets, secret_new("", "more.example"));
    refuse(policy, "secrets: more than 16");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/policy/modes", test_modes);
    g_test_add_func("/net/policy/entries", test_entries);
    g_test_add_func("/net/policy/connections", test_connections);
    g_test_add_func("/net/policy/size", test_size);
    g_test_add_func("/net/policy/wants-private", test_wants_private);
    g_test_add_func("/net/policy/secret-hosts", test_secret_hosts);
    g_test_add_func("/net/policy/secret-is-allowed", test_secret_is_allowed);
    g_test_add_func("/net/policy/secret-headers", test_secret_headers);
    g_test_add_func("/net/policy/secret-texts", test_secret_texts);
    g_test_add_func("/net/policy/secret-filters", test_secret_filters);
    g_test_add_func("/net/policy/secret-filter-counts", test_secret_filter_counts);
    g_test_add_func("/net/policy/secret-pairs", test_secret_pairs);
    g_test_add_func("/net/policy/secret-count", test_secret_count);
    return g_test_run();
}
