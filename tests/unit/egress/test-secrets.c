/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-secrets: the relay takes each secret that a policy can have, and no other. */
#include "secrets.h"

typedef struct {
    const char *name, *header, *format, *method, *path;
} Texts;

static char **
list_of(const char *entry)
{
    char **list = g_new0(char *, 2);

    list[0] = g_strdup(entry);
    return list;
}

static NetPolicy *
policy_of(const Texts *texts)
{
    NetPolicy *policy = net_policy_new();
    NetSecret *secret = g_new0(NetSecret, 1);

    policy->mode = NET_INTERNET;
    secret->name = g_strdup(texts->name);
    secret->host = g_strdup("api.example");
    secret->port = 443;
    secret->header = g_strdup(texts->header);
    secret->format = g_strdup(texts->format);
    secret->methods = list_of(texts->method);
    secret->paths = list_of(texts->path);
    g_ptr_array_add(policy->secrets, secret);
    return policy;
}

static gboolean
relay_takes(const NetPolicy *policy)
{
    Secrets *secrets = secrets_new();
    SecretsMade *made;

    g_assert_true(secrets_put(secrets, 0, "value", 5));
    made = secrets_make(secrets, policy, /* error= */ NULL);
    if (made)
        secrets_use(secrets, made);
    secrets_free(secrets);
    return made != NULL;
}

static void
check(const Texts *texts, gboolean is_good)
{
    g_autoptr(NetPolicy) policy = policy_of(texts);

    g_assert_cmpint(net_policy_check(policy, /* error= */ NULL), ==, is_good);
    g_assert_cmpint(relay_takes(policy), ==, is_good);
}

static void
test_longest(void)
{
    g_autofree char *a = g_strnfill(SECRET_FORMAT_MAX, 'a'), *capitals = g_strnfill(64, 'A');
    g_autofree char *format = g_strconcat("%s", a + 2, NULL), *path = g_strconcat("/", a + 1, NULL);
    const char *name = a + SECRET_FORMAT_MAX - SECRET_NAME_MAX;
    const char *header = a + SECRET_FORMAT_MAX - SECRET_HEADER_MAX;
    const char *method = capitals + 64 - HTTP_METHOD_MAX;
    g_autofree char *longer = g_strconcat("%s", a + 1, NULL);

    check(&(Texts){name, header, format, method, path}, TRUE);
    check(&(Texts){name - 1, header, format, method, path}, FALSE);
    check(&(Texts){name, header - 1, format, method, path}, FALSE);
    check(&(Texts){name, header, longer, method, path}, FALSE);
    check(&(Texts){name, header, format, method - 1, path}, FALSE);
}

static void
test_wrong_texts(void)
{
    static const Texts rows[] = {
        {"a.b", "X-Key", "%s", "GET", "/"},       {"", "Accept-Encoding", "%s", "GET", "/"},
        {"", "http2_settings", "%s", "GET", "/"}, {"", "X-Original-URL", "%s", "GET", "/"},
        {"", "X-Key", " %s", "GET", "/"},         {"", "X-Key", "%s ", "GET", "/"},
        {"", "X-Key", "%s", "get", "/"},          {"", "X-Key", "%s", "GET", "/a//b"},
        {"", "X-Key", "%s", "GET", "/a/.."},      {"", "X-Key", "%s", "GET", "/a\\b"},
    };

    check(&(Texts){"", "X-Key", "%s", "GET", "/"}, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&rows[i], FALSE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/egress/secrets/longest", test_longest);
    g_test_add_func("/egress/secrets/wrong-texts", test_wrong_texts);
    return g_test_run();
}
