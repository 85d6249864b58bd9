/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-invalid-arguments: each invalid argument is refused by name, and the last valid value before
 * it is accepted. */
#include <string.h>

#include "client.h"
#include "fixture.h"

static Fixture *fixture;
static GDBusConnection *bus;
static char *sandbox;

/* --- options of every method --- */

typedef struct {
    const char *method, *words; /* text of the arguments; %* stands for the options */
    gboolean of_sandbox;
    const char *const *options; /* keys and types in turn */
} Method;

static const char *const create_options[] = {
    "template",   "s",        "timeout",         "t",           "on-timeout",  "s",     "name",
    "s",          "metadata", "a{ss}",           "environment", "a{ss}",       "vcpus", "u",
    "memory-mib", "t",        "idempotency-key", "s",           "auto-resume", "b",     NULL};
static const char *const manager_code_options[] = {
    "template", "s", "timeout",    "t", "name",   "s", "metadata", "a{ss}", "environment", "a{ss}",
    "vcpus",    "u", "memory-mib", "t", "colors", "b", NULL};
static const char *const list_options[] = {"state", "s",         "template", "s",     "metadata",
                                           "a{ss}", "all-users", "b",        "limit", "u",
                                           "after", "s",         NULL};
static const char *const run_options[] = {"cwd",   "s", "environment", "a{ss}", "user", "s",
                                          "stdin", "s", "timeout",     "t",     NULL};
static const char *const code_options[] = {
    "language", "s", "environment", "a{ss}", "timeout", "t", "silent", "b", "store-history", "b",
    "context",  "s", "colors",      "b",     "drain",   "b", NULL};
static const char *const check_options[] = {"language", "s", "context", "s", NULL};
static const char *const context_options[] = {"language",    "s",     "cwd", "s",
                                              "environment", "a{ss}", NULL};

static const Method methods[] = {
    {"CreateSandbox", "(%*,)", FALSE, create_options},
    {"RunCode", "('python', '1', %*)", FALSE, manager_code_options},
    {"ListSandboxes", "(%*,)", FALSE, list_options},
    {"Run", "(['true'], %*)", TRUE, run_options},
    {"RunCode", "('1', %*)", TRUE, code_options},
    {"StreamCode", "('1', %*)", TRUE, code_options},
    {"IsComplete", "('1', %*)", TRUE, check_options},
    {"CreateContext", "(%*,)", TRUE, context_options},
};

/* A value of each type that an option has, and of one that no option has. */
static const char *const samples[] = {"<int16 1>",  "<'x'>",  "<uint64 5>",
                                      "<uint32 1>", "<true>", "<{'a': 'b'}>",
                                      "<['x']>",    "<1.5>",  "<int64 5>"};

static void
refuse_option(const Method *method, const char *options, const char *message)
{
    call_fails(bus, method->of_sandbox ? sandbox : MANAGER, method->method, "InvalidArgument",
               message, method->words, g_variant_new_parsed(options));
}

static void
refuse_other_types(const Method *method, const char *key, const char *type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *options = g_strdup_printf("{'%s': %s}", key, samples[i]);
        g_autofree char *message =
            g_strdup_printf("option '%s' must be of the type '%s'%s", key, type,
                            g_str_equal(type, "t") ? " (uint64), not '" : "");
        g_autoptr(GVariant) parsed = g_variant_ref_sink(g_variant_new_parsed(options));
        g_autoptr(GVariant) value = g_variant_lookup_value(parsed, key, NULL);

        if (!g_str_equal(g_variant_get_type_string(value), type))
            refuse_option(method, options, message);
    }
}

static void
test_types(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        for (const char *const *option = methods[i].options; *option; option += 2)
            refuse_other_types(&methods[i], option[0], option[1]);
}

static void
test_unknown_keys(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autofree char *long_key = g_strnfill(100000, 'k');
        g_autofree char *long_options = g_strdup_printf("{'%s': <1>}", long_key);

        refuse_option(&methods[i], "{'colour': <'red'>}", "unknown option 'colour'");
        refuse_option(&methods[i], "{'Timeout': <uint64 5>}", "unknown option 'Timeout'");
        refuse_option(&methods[i], "{'': <uint64 5>}", "unknown option ''");
        refuse_option(&methods[i], long_options, "kkkk");
    }
}

/* --- bounds of the options of CreateSandbox --- */

/* Takes ownership of the value. */
static void
refuse_create(const char *key, GVariant *value, const char *message)
{
    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument", message, "({%s: <%*>},)", key,
               value);
}

static void
accept_create(const char *key, GVariant *value)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", "({%s: <%*>},)", key, value);
    const char *path;

    g_variant_get(answer, "(&o)", &path);
    kill_sandbox(bus, path);
}

static GVariant *
text(gsize size)
{
    return g_variant_new_take_string(g_strnfill(size, 'x'));
}

/* Returns `count` entries with empty values, except for the last one, whose value has `last` bytes.
 */
static GVariant *
entries(guint count, gsize last)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; i < count; i++) {
        g_autofree char *key = g_strdup_printf("k%03u", i);
        g_autofree char *value = g_strnfill(i + 1 == count ? last : 0, 'v');

        g_variant_builder_add(&dict, "{ss}", key, value);
    }
    return g_variant_builder_end(&dict);
}

static GVariant *
entry(gsize key_size, gsize value_size)
{
    g_autofree char *key = g_strnfill(key_size, 'k'), *value = g_strnfill(value_size, 'v');

    return g_variant_new_parsed("{%s: %s}", key, value);
}

static void
test_name(void)
{
    g_autoptr(GString) umlauts = g_string_new(NULL);

    for (guint i = 0; i < 64; i++)
        g_string_append(umlauts, "ü");
    accept_create("name", text(64));
    accept_create("name", g_variant_new_string(umlauts->str)); /* characters, not bytes */
    refuse_create("name", text(65), "name: at most 64 characters, not 65");
    refuse_create("name", g_variant_new_string("a\nb"), "name: control characters are not allowed");
}

static void
test_metadata(void)
{
    accept_create("metadata", entries(64, 0));
    accept_create("metadata", entry(128, 4096));
    refuse_create("metadata", entries(65, 0), "metadata: at most 64 entries, not 65");
    refuse_create("metadata", entry(129, 0), "1 to 128 bytes");
    refuse_create("metadata", entry(0, 0), "1 to 128 bytes");
    refuse_create("metadata", entry(1, 4097), "has 4097 bytes: at most 4096");
    refuse_create("metadata", g_variant_new_parsed("@a{ss} {'a': '1', 'a': '2'}"), "twice");
}

static void
test_idempotency_key(void)
{
    accept_create("idempotency-key", text(1));
    accept_create("idempotency-key", text(128));
    refuse_create("idempotency-key", text(129), "1 to 128 bytes, not 129");
    refuse_create("idempotency-key", text(0), "1 to 128 bytes, not 0");
}

static void
test_other_options(void)
{
    refuse_create("on-timeout", g_variant_new_string("sleep"), "it must be 'kill' or 'pause'");
    refuse_create("timeout", g_variant_new_uint64(0), "not 0");
    call_fails(bus, MANAGER, "CreateSandbox", "Unsupported", "vcpus", "({'vcpus': <uint32 2>},)");
    call_fails(bus, MANAGER, "CreateSandbox", "Unsupported", "memory-mib",
               "({'memory-mib': <uint64 65>},)");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument",
               "state: it must be 'running' or 'paused'", "({'state': <'ended'>},)");
}

/* --- bounds of an environment, in all three methods --- */

/* The 64 KiB contain names, values, and two bytes each for '=' and the end: here "k000" and its
 * value. */
#define ENVIRONMENT_LAST (64 * 1024 - 4 - 2)

static void
test_environment(void)
{
    accept_create("environment", entries(256, 0));
    accept_create("environment", entries(1, ENVIRONMENT_LAST));
    refuse_create("environment", entries(257, 0), "environment: at most 256 entries, not 257");
    refuse_create("environment", entries(1, ENVIRONMENT_LAST + 1),
                  "environment: at most 65536 bytes in all, not 65537");
    refuse_create("environment", entry(0, 1), "is not a name of a variable");
    refuse_create("environment", g_variant_new_parsed("{'A=B': 'c'}"), "'A=B' is not a name");
    refuse_create("environment", g_variant_new_parsed("@a{ss} {'A': '1', 'A': '2'}"), "twice");
}

static void
test_environment_of_run(void)
{
    g_variant_unref(
        call(bus, sandbox, "Run", "(['true'], {'environment': <%*>})", entries(256, 0)));
    g_variant_unref(call(bus, sandbox, "Run", "(['true'], {'environment': <%*>})",
                         entries(1, ENVIRONMENT_LAST)));
    call_fails(bus, sandbox, "Run", "InvalidArgument", "at most 256 entries, not 257",
               "(['true'], {'environment': <%*>})", entries(257, 0));
    call_fails(bus, sandbox, "RunCode", "InvalidArgument", "at most 256 entries, not 257",
               "('1', {'environment': <%*>})", entries(257, 0));
    call_fails(bus, MANAGER, "RunCode", "InvalidArgument", "at most 256 entries, not 257",
               "('python', '1', {'environment': <%*>})", entries(257, 0));
}

/* --- argv and code --- */

/* Returns `count` arguments: "true", then empty ones, except for the last. */
static GVariant *
words(guint count, gsize last)
{
    GVariantBuilder argv;

    g_variant_builder_init(&argv, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < count; i++) {
        g_autofree char *word = g_strnfill(i + 1 == count ? last : 0, 'x');

        g_variant_builder_add(&argv, "s", i == 0 ? "true" : word);
    }
    return g_variant_builder_end(&argv);
}

#define ARGV_SIZE (128 * 1024)

static void
test_argv(void)
{
    g_variant_unref(call(bus, sandbox, "Run", "(%*, @a{sv} {})", words(1024, 0)));
    /* "true" and its zero byte, and the zero byte of the second argument */
    g_variant_unref(call(bus, sandbox, "Run", "(%*, @a{sv} {})", words(2, ARGV_SIZE - 6)));
    call_fails(bus, sandbox, "Run", "InvalidArgument", "argv: at most 1024 arguments, not 1025",
               "(%*, @a{sv} {})", words(1025, 0));
    call_fails(bus, sandbox, "Run", "InvalidArgument",
               "argv: at most 131072 bytes in all, not 131073", "(%*, @a{sv} {})",
               words(2, ARGV_SIZE - 5));
    call_fails(bus, sandbox, "Run", "InvalidArgument", "must begin with a program",
               "(@as [], @a{sv} {})");
    call_fails(bus, sandbox, "Run", "InvalidArgument", "must begin with a program",
               "([''], @a{sv} {})");
}

static void
refuse_timeout(const char *timeout, const char *name, const char *message)
{
    g_autofree char *of_run = g_strdup_printf("(['true'], {'timeout': <uint64 %s>})", timeout);
    g_autofree char *of_code = g_strdup_printf("('1', {'timeout': <uint64 %s>})", timeout);
    g_autofree char *one_shot =
        g_strdup_printf("('python', '1', {'timeout': <uint64 %s>})", timeout);

    call_fails(bus, sandbox, "Run", name, message, of_run);
    call_fails(bus, sandbox, "RunCode", name, message, of_code);
    call_fails(bus, MANAGER, "RunCode", name, message, one_shot);
}

static void
test_timeout_of_run(void)
{
    refuse_timeout("0", "InvalidArgument", "timeout must be from 1 to 315360000 seconds, not 0");
    refuse_timeout("315360001", "InvalidArgument", "seconds, not 315360001");
    refuse_timeout("9223372036854775808", "InvalidArgument", "not 9223372036854775808");
    refuse_timeout("315360000", "QuotaExceeded", "limit lifetime is 3600 seconds");
    refuse_timeout("3601", "QuotaExceeded", "limit lifetime is 3600 seconds");
    g_variant_unref(call(bus, sandbox, "Run", "(['true'], {'timeout': <uint64 3600>})"));
}

static void
test_code(void)
{
    call_fails(bus, sandbox, "RunCode", "InvalidArgument",
               "code: at most 1048576 bytes, not 1048577", "(%*, @a{sv} {})",
               text(1024 * 1024 + 1));
    call_fails(bus, MANAGER, "RunCode", "InvalidArgument",
               "code: at most 1048576 bytes, not 1048577", "('python', %*, @a{sv} {})",
               text(1024 * 1024 + 1));
    call_fails(bus, sandbox, "RunCode", "Unsupported", "no interpreter for 'any language'",
               "('1', @a{sv} {})");
    call_fails(bus, sandbox, "RunCode", "Unsupported", "no interpreter for 'cobol'",
               "('1', {'language': <'cobol'>})");
}

/* No refused call has created anything. */
static void
test_nothing_is_left(void)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    g_assert_cmpint(g_variant_n_children(list), ==, 1);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2, .lifetime_s = 3600};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/invalid-arguments/types", test_types);
    g_test_add_func("/invalid-arguments/unknown-keys", test_unknown_keys);
    g_test_add_func("/invalid-arguments/name", test_name);
    g_test_add_func("/invalid-arguments/metadata", test_metadata);
    g_test_add_func("/invalid-arguments/idempotency-key", test_idempotency_key);
    g_test_add_func("/invalid-arguments/other-options", test_other_options);
    g_test_add_func("/invalid-arguments/environment", test_environment);
    g_test_add_func("/invalid-arguments/environment-of-run", test_environment_of_run);
    g_test_add_func("/invalid-arguments/argv", test_argv);
    g_test_add_func("/invalid-arguments/timeout-of-run", test_timeout_of_run);
    g_test_add_func("/invalid-arguments/code", test_code);
    g_test_add_func("/invalid-arguments/nothing-is-left", test_nothing_is_left);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    sandbox = create(bus);
    status = g_test_run();
    g_free(sandbox);
    fixture_free(fixture);
    return status;
}
