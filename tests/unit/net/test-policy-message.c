/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-policy-message: copies of policies, and their form in messages. */
#include <string.h>

#include "policies.h"

static guint8 buffer[NET_POLICY_SIZE_MAX];

static NetPolicy *
make_full(void)
{
    NetSecret *secret;
    NetPolicy *policy = policy_new(&secret);

    policy->has_private = TRUE;
    policy->bandwidth = G_MAXUINT64;
    policy->connections = 17;
    policy->traffic = G_GUINT64_CONSTANT(0x0102030405060708);
    set_list(&policy->allow, g_strsplit("a.example 10.0.0.0/8", " ", -1));
    set_list(&policy->deny, list_new("*:25"));
    set_list(&secret->methods, g_strsplit("GET POST", " ", -1));
    set_list(&secret->paths, list_new("/v1/"));
    g_ptr_array_add(policy->secrets, secret_new("", "b.example"));
    return policy;
}

static void
assert_secret_equal(const NetSecret *a, const NetSecret *b)
{
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->host, ==, b->host);
    g_assert_cmpuint(a->port, ==, b->port);
    g_assert_cmpstr(a->header, ==, b->header);
    g_assert_cmpstr(a->format, ==, b->format);
    g_assert_cmpstrv(a->methods, b->methods);
    g_assert_cmpstrv(a->paths, b->paths);
}

static void
assert_equal(const NetPolicy *a, const NetPolicy *b)
{
    g_assert_cmpint(a->mode, ==, b->mode);
    g_assert_cmpint(a->has_private, ==, b->has_private);
    g_assert_cmpuint(a->bandwidth, ==, b->bandwidth);
    g_assert_cmpuint(a->connections, ==, b->connections);
    g_assert_cmpuint(a->traffic, ==, b->traffic);
    g_assert_cmpstrv(a->allow, b->allow);
    g_assert_cmpstrv(a->deny, b->deny);
    g_assert_cmpuint(a->secrets->len, ==, b->secrets->len);
    for (guint i = 0; i < a->secrets->len; i++)
        assert_secret_equal(a->secrets->pdata[i], b->secrets->pdata[i]);
}

static NetPolicy *
get(gsize size)
{
    g_autofree guint8 *exact = g_memdup2(buffer, size);
    WireReader r;
    NetPolicy *policy;

    wire_reader_init(&r, exact, size);
    policy = net_policy_get(&r);
    g_assert_true(!policy || wire_reader_end(&r) == 0);
    return policy;
}

static gsize
put(const NetPolicy *policy)
{
    WireWriter w = {.data = buffer, .size = sizeof buffer};

    net_policy_put(&w, policy);
    g_assert_false(w.overflow);
    return w.used;
}

static void
test_copy(void)
{
    g_autoptr(NetPolicy) policy = make_full(), copy = net_policy_copy(policy);

    assert_equal(policy, copy);
    g_assert_true(policy->allow[0] != copy->allow[0]);
}

static void
test_message(void)
{
    g_autoptr(NetPolicy) policy = make_full(), empty = net_policy_new();
    g_autoptr(NetPolicy) read = get(put(policy)), read_empty = get(put(empty));
    gsize size = put(policy);

    g_assert_nonnull(read);
    assert_equal(policy, read);
    g_assert_nonnull(read_empty);
    assert_equal(empty, read_empty);
    for (gsize i = 0; i < size; i++)
        g_assert_null(get(i));
}

/* Each count and number, just inside and just outside of what is read. */
static void
test_message_bounds(void)
{
    static const struct {
        gsize offset;
        guint8 inside, outside;
    } rows[] = {
        {0, NET_INTERNET, _NET_MODE_MAX},
        {4, 1, 2},
        {4, 0, 0xff},
    };
    g_autoptr(NetPolicy) policy = policy_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize size = put(policy);
        g_autoptr(NetPolicy) inside = NULL, outside = NULL;

        buffer[rows[i].offset] = rows[i].inside;
        inside = get(size);
        g_assert_nonnull(inside);
        buffer[rows[i].offset] = rows[i].outside;
        outside = get(size);
        g_assert_null(outside);
    }
}

static void
check_get(const NetPolicy *policy, gboolean is_read)
{
    g_autoptr(NetPolicy) read = get(put(policy));

    g_assert_cmpint(read != NULL, ==, is_read);
}

static void
test_message_lists(void)
{
    g_autofree char *longest = g_strnfill(NET_TARGET_MAX, 'a');
    g_autofree char *longer = g_strnfill(NET_TARGET_MAX + 1, 'a');
    NetSecret *secret;
    g_autoptr(NetPolicy) policy = policy_new(&secret);

    set_list(&policy->allow, list_new(longest));
    check_get(policy, TRUE);
    set_list(&policy->allow, list_new(longer));
    check_get(policy, FALSE);
    set_list(&policy->allow, repeat("a", NET_ENTRIES_MAX));
    set_list(&policy->deny, repeat("a", NET_ENTRIES_MAX));
    check_get(policy, TRUE);
    set_list(&policy->allow, repeat("a", NET_ENTRIES_MAX + 1));
    check_get(policy, FALSE);
    set_list(&policy->allow, g_new0(char *, 1));
    set_list(&policy->deny, repeat("a", NET_ENTRIES_MAX + 1));
    check_get(policy, FALSE);
    set_list(&policy->deny, g_new0(char *, 1));

    set_list(&secret->methods, repeat("GET", NET_METHODS_MAX));
    set_list(&secret->paths, repeat("/", NET_PATHS_MAX));
    check_get(policy, TRUE);
    set_list(&secret->methods, repeat("GET", NET_METHODS_MAX + 1));
    check_get(policy, FALSE);
    set_list(&secret->methods, g_new0(char *, 1));
    set_list(&secret->paths, repeat("/", NET_PATHS_MAX + 1));
    check_get(policy, FALSE);
    set_list(&secret->paths, g_new0(char *, 1));

    while (policy->secrets->len < NET_SECRETS_MAX)
        g_ptr_array_add(policy->secrets, secret_new("", "a"));
    check_get(policy, TRUE);
    g_ptr_array_add(policy->secrets, secret_new("", "a"));
    check_get(policy, FALSE);
}

/* The port is a u32 in messages. */
static void
test_message_port(void)
{
    NetSecret *secret;
    g_autoptr(NetPolicy) policy = policy_new(&secret), read = NULL;
    const guint8 port[] = {0xbb, 0x01, 0, 0};
    guint8 *found;
    gsize size;

    secret->port = 443;
    size = put(policy);
    found = memmem(buffer, size, port, sizeof port);
    g_assert_nonnull(found);
    found[2] = 1;
    read = get(size);
    g_assert_null(read);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/policy-message/copy", test_copy);
    g_test_add_func("/net/policy-message/message", test_message);
    g_test_add_func("/net/policy-message/bounds", test_message_bounds);
    g_test_add_func("/net/policy-message/lists", test_message_lists);
    g_test_add_func("/net/policy-message/port", test_message_port);
    return g_test_run();
}
