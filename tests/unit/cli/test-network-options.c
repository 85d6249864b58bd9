/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-network-options: the options for a network become the a{sv} of the service, or an error that
 * says what to add or to leave out. */
#include <string.h>
#include <unistd.h>

#include "network-options.h"

/* Parses options as a verb does; they are separated by spaces. */
static void
parse(NetworkOptions *options, const char *typed)
{
    g_autoptr(GArray) entries = network_options_entries(options, /* entries= */ NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree char *line = g_strconcat("verb ", typed, NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", /* max= */ -1);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, (const GOptionEntry *)entries->data, NULL);
    g_option_context_parse_strv(context, &argv, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(argv), ==, 1);
}

/* Entries of an a{sv} have no order. */
static void
assert_same(GVariant *found, GVariant *expected)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_assert_cmpuint(g_variant_n_children(found), ==, g_variant_n_children(expected));
    g_variant_iter_init(&iter, expected);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) given = g_variant_lookup_value(found, key, NULL);

        g_assert_nonnull(given);
        g_assert_cmpvariant(given, value);
    }
}

static void
assert_policy(const char *typed, const char *expected)
{
    g_auto(NetworkOptions) options = {0};
    g_auto(NetworkPolicy) policy = {0};
    g_autoptr(GVariant) wanted = g_variant_parse(NULL, expected, NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;

    parse(&options, typed);
    g_assert_true(network_options_read(&options, /* stdin_reader= */ NULL, &policy, &error));
    g_assert_no_error(error);
    assert_same(policy.policy, wanted);
}

static void
test_policies(void)
{
    assert_policy("--network off", "{'mode': <'off'>}");
    assert_policy("--network internet", "{'mode': <'internet'>}");
    assert_policy("--allow a.example --allow *.b.example:22",
                  "{'mode': <'restricted'>, 'allow': <['a.example', '*.b.example:22']>}");
    assert_policy("--network restricted --allow 10.0.0.0/8 --private",
                  "{'mode': <'restricted'>, 'allow': <['10.0.0.0/8']>, 'private': <true>}");
    assert_policy("--network internet --deny a --deny b",
                  "{'mode': <'internet'>, 'deny': <['a', 'b']>}");
    assert_policy("--network internet --bandwidth 10M --traffic 2G --connections 7",
                  "{'mode': <'internet'>, 'bandwidth': <uint64 10000000>, 'traffic': <uint64 "
                  "2000000000>, 'connections': <uint32 7>}");
}

static void
test_no_policy(void)
{
    g_auto(NetworkOptions) options = {0};
    g_auto(NetworkPolicy) policy = {0};
    g_auto(GVariantDict) call = G_VARIANT_DICT_INIT(NULL);

    g_assert_null(network_options_given(&options));
    g_assert_true(network_options_read(&options, NULL, &policy, NULL));
    g_assert_null(policy.policy);
    network_policy_add(&policy, &call);
    g_assert_false(g_variant_dict_contains(&call, "network"));
}

static void
assert_secret(GVariant *secrets, gsize index, const char *expected)
{
    g_autoptr(GVariant) secret = g_variant_get_child_value(secrets, index);
    g_autoptr(GVariant) wanted = g_variant_parse(NULL, expected, NULL, NULL, NULL);

    assert_same(secret, wanted);
}

static void
test_secrets(void)
{
    g_auto(NetworkOptions) options = {0};
    g_auto(NetworkPolicy) policy = {0};
    g_autoptr(GVariant) secrets = NULL, allow = NULL, allowed = NULL;
    g_autoptr(GError) error = NULL;
    char value[16];

    parse(&options, "--allow x --secret Api.example/v1:Authorization=@/proc/sys/kernel/ostype "
                    "--secret b:8443:X-Key=Key:@/proc/sys/kernel/ostype");
    g_assert_true(network_options_read(&options, /* stdin_reader= */ NULL, &policy, &error));
    g_assert_no_error(error);
    secrets = g_variant_lookup_value(policy.policy, "secrets", NULL);
    g_assert_cmpuint(g_variant_n_children(secrets), ==, 2);
    assert_secret(secrets, 0,
                  "{'host': <'api.example'>, 'port': <uint16 443>, 'header': <'Authorization'>, "
                  "'format': <'%s'>, 'value': <handle 0>, 'paths': <['/v1']>}");
    assert_secret(secrets, 1,
                  "{'host': <'b'>, 'port': <uint16 8443>, 'header': <'X-Key'>, 'format': "
                  "<'Key:%s'>, 'value': <handle 1>}");
    allow = g_variant_lookup_value(policy.policy, "allow", NULL);
    allowed = g_variant_parse(NULL, "['x', 'api.example:443', 'b:8443']", NULL, NULL, NULL);
    g_assert_cmpvariant(allow, allowed);
    g_assert_cmpint(g_unix_fd_list_get_length(policy.fds), ==, 2);
    for (int i = 0; i < 2; i++) {
        int fd = g_unix_fd_list_peek_fds(policy.fds, NULL)[i];

        g_assert_cmpint(pread(fd, value, sizeof value, 0), ==, strlen("Linux"));
        g_assert_cmpmem(value, 5, "Linux", 5);
    }
}

/* What a secret is for is permitted anyway. */
static void
test_secret_in_internet(void)
{
    g_auto(NetworkOptions) options = {0};
    g_auto(NetworkPolicy) policy = {0};

    parse(&options, "--network internet --secret b:X-Key=@/proc/sys/kernel/ostype");
    g_assert_true(network_options_read(&options, NULL, &policy, NULL));
    g_assert_false(g_variant_lookup(policy.policy, "allow", "^as", NULL));
}

static void
test_refusals(void)
{
    static const struct {
        const char *typed, *stdin_reader, *says;
    } cases[] = {
        {"--network host", NULL,
         "'host' is not a mode of the network: off, restricted or internet"},
        {"--network Internet", NULL, "'Internet' is not a mode"},
        {"--network restricted", NULL, "add --allow"},
        {"--network restricted --deny a", NULL, "add --allow"},
        {"--network off --allow a", NULL, "--allow cannot be given when the network is off"},
        {"--network off --traffic 1G", NULL, "--traffic cannot be given when the network is off"},
        {"--deny a", NULL, "--deny permits nothing by itself: add --network internet, or --allow"},
        {"--private", NULL, "--private permits nothing"},
        {"--connections 5", NULL, "--connections permits nothing"},
        {"--allow a --connections 0", NULL, "--connections: '0' is not a number"},
        {"--allow a --connections 4294967296", NULL, "'4294967296' is not a number"},
        {"--allow a --bandwidth fast", NULL, "--bandwidth: 'fast' is not a size"},
        {"--allow a --traffic 0", NULL, "--traffic: '0' is not a size"},
        {"--secret h:A=b", NULL, "must be in a file"},
        {"--secret h:A=@-", "the code",
         "--secret for A of h: the code already reads standard input"},
        {"--secret h:A=@/proc/sys/kernel/ostype --secret h:A=b", NULL, "must be in a file"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(NetworkOptions) options = {0};
        g_auto(NetworkPolicy) policy = {0};
        g_autoptr(GError) error = NULL;

        parse(&options, cases[i].typed);
        g_assert_false(network_options_read(&options, cases[i].stdin_reader, &policy, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_assert_null(policy.policy);
    }
}

static void
test_given(void)
{
    static const char *const cases[][2] = {
        {"--network off --allow a", "network"},
        {"--deny a --allow b", "allow"},
        {"--private", "private"},
        {"--secret x", "secret"},
        {"--bandwidth 1", "bandwidth"},
        {"--traffic 1", "traffic"},
        {"--connections 1", "connections"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(NetworkOptions) options = {0};

        parse(&options, cases[i][0]);
        g_assert_cmpstr(network_options_given(&options), ==, cases[i][1]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/network-options/policies", test_policies);
    g_test_add_func("/network-options/no-policy", test_no_policy);
    g_test_add_func("/network-options/secrets", test_secrets);
    g_test_add_func("/network-options/secret-in-internet", test_secret_in_internet);
    g_test_add_func("/network-options/refusals", test_refusals);
    g_test_add_func("/network-options/given", test_given);
    return g_test_run();
}
