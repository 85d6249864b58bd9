/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-manager: the manager has its properties, and creates, finds and ends sandboxes. */
#include <string.h>

#include "client.h"
#include "fixture.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECTS "org.freedesktop.DBus.ObjectManager"
#define NEVER_WAS MANAGER "/sandbox/aaaaaaaaaaaaaaaa"

static Fixture *fixture;
static GDBusConnection *bus;

/* --- the manager's properties --- */

static void
test_manager_properties(void)
{
    g_autoptr(GVariant) template = wait_for_template(bus, "minimal");
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, PROPERTIES ".GetAll", "('org.cloche1.Manager',)");
    g_autoptr(GVariant) all = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) limits = g_variant_lookup_value(all, "Limits", G_VARIANT_TYPE_VARDICT);
    g_autofree char *version = dict_string(all, "Version");
    g_autofree char *name = dict_string(all, "DefaultTemplate");
    g_autofree char *accelerator = dict_string(all, "Accelerator");
    g_autofree char *acceleration_error = dict_string(all, "AccelerationError");

    g_assert_cmpint(g_variant_n_children(all), ==, 7);
    g_assert_cmpstr(version, ==, VERSION);
    g_assert_cmpstr(name, ==, "minimal");
    g_assert_cmpstr(accelerator, ==, "tcg");
    g_assert_true(dict_boolean(all, "Emulated"));
    g_assert_cmpstr(acceleration_error, ==, "");
    g_assert_cmpuint(dict_number(limits, "lifetime"), ==, 3600);
    g_assert_cmpuint(dict_number(limits, "paused"), ==, 86400);
    g_assert_cmpuint(dict_number(limits, "sandboxes"), ==, 1100);
    g_assert_cmpuint(dict_number(limits, "memory-mib"), ==, 100000);
    g_assert_cmpuint(dict_number(limits, "vcpus"), ==, G_MAXUINT64);
    g_assert_cmpuint(dict_number(limits, "disk-mib"), ==, G_MAXUINT64);
    g_assert_cmpuint(dict_number(limits, "processes"), ==, 512);
    g_assert_cmpuint(dict_number(limits, "creates"), ==, 16);
    g_assert_cmpuint(dict_number(limits, "buffer-size"), ==, 64 * 1024 * 1024);
    g_assert_cmpint(g_variant_n_children(limits), ==, 15);
    g_assert_cmpuint(dict_number(limits, "code-size"), ==, 1024 * 1024);
    g_assert_cmpuint(dict_number(limits, "output-size"), ==, 4 * 1024 * 1024);
}

static void
test_templates(void)
{
    g_autoptr(GVariant) template = wait_for_template(bus, "minimal");
    g_autoptr(GVariant) languages = NULL, progress = NULL;
    g_autofree char *state = dict_string(template, "state"), *step = dict_string(template, "step");
    g_autofree char *description = dict_string(template, "description");
    g_autofree char *key = dict_string(template, "key");

    g_assert_cmpstr(state, ==, "ready");
    g_assert_cmpstr(step, ==, "ready");
    g_assert_cmpstr(description, ==, "minimal for tests");
    g_assert_true(g_regex_match_simple("^[0-9a-f]{16}$", key, 0, 0));
    g_assert_cmpuint(dict_number(template, "memory-mib"), ==, MEMORY_MIB);
    g_assert_cmpuint(dict_number(template, "vcpus"), ==, 1);
    g_assert_cmpuint(dict_number(template, "size"), >, 0);
    g_assert_false(g_variant_lookup(template, "error", "s", NULL));
    progress = g_variant_lookup_value(template, "progress", G_VARIANT_TYPE_DOUBLE);
    g_assert_cmpfloat(g_variant_get_double(progress), ==, 1);
    languages = g_variant_lookup_value(template, "languages", G_VARIANT_TYPE_STRING_ARRAY);
    g_assert_cmpint(g_variant_n_children(languages), ==, 0);
}

/* GDBus itself returns these errors, from the description of the interface. */
static void
assert_dbus_error(int code, const char *method, const char *words)
{
    g_autoptr(Pending) pending = call_start(bus, MANAGER, method, words);

    pending_wait(pending);
    g_assert_error(pending->error, G_DBUS_ERROR, code);
}

static void
test_what_is_not_there(void)
{
    assert_dbus_error(G_DBUS_ERROR_UNKNOWN_METHOD, "Shutdown", "()");
    assert_dbus_error(G_DBUS_ERROR_INVALID_ARGS, "GetSandbox", "(uint32 1,)");
    assert_dbus_error(G_DBUS_ERROR_INVALID_ARGS, PROPERTIES ".Get",
                      "('org.cloche1.Manager', 'Colour')");
    assert_dbus_error(G_DBUS_ERROR_INVALID_ARGS, PROPERTIES ".Get",
                      "('org.cloche1.Sandbox', 'Id')");
    assert_dbus_error(G_DBUS_ERROR_INVALID_ARGS, PROPERTIES ".Set",
                      "('org.cloche1.Manager', 'Version', <'2'>)");
}

/* --- a sandbox's properties --- */

static void
test_defaults(void)
{
    gint64 before_us = g_get_real_time();
    g_autofree char *sandbox = create(bus);
    g_autoptr(GVariant) answer =
        call(bus, sandbox, PROPERTIES ".GetAll", "('org.cloche1.Sandbox',)");
    g_autoptr(GVariant) all = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) metadata = g_variant_lookup_value(all, "Metadata", G_VARIANT_TYPE("a{ss}"));
    g_autofree char *id = dict_string(all, "Id"), *name = dict_string(all, "Name");
    g_autofree char *template = dict_string(all, "Template"), *state = dict_string(all, "State");
    g_autofree char *reason = dict_string(all, "EndReason");
    guint64 created_us = dict_number(all, "Created"), expires_us = dict_number(all, "Expires");

    g_assert_cmpint(g_variant_n_children(all), ==, 15);
    g_assert_true(g_regex_match_simple("^[a-z0-9]+$", id, 0, 0));
    g_assert_true(g_str_has_prefix(sandbox, MANAGER "/sandbox/"));
    g_assert_cmpstr(id_of(sandbox), ==, id);
    g_assert_cmpstr(name, ==, "");
    g_assert_cmpstr(template, ==, "minimal");
    g_assert_cmpstr(state, ==, "running");
    g_assert_cmpstr(reason, ==, "");
    g_assert_cmpuint(dict_number(all, "Owner"), ==, 0);
    g_assert_cmpuint(created_us, >=, before_us);
    g_assert_cmpuint(created_us, <=, g_get_real_time());
    /* The clocks of the two times were read one after the other. */
    g_assert_cmpuint(expires_us, >=, created_us + 299 * G_USEC_PER_SEC);
    g_assert_cmpuint(expires_us, <=, created_us + 301 * G_USEC_PER_SEC);
    g_assert_cmpuint(dict_number(all, "Vcpus"), ==, 1);
    g_assert_cmpuint(dict_number(all, "MemoryMiB"), ==, MEMORY_MIB);
    g_assert_cmpint(g_variant_n_children(metadata), ==, 0);
    kill_sandbox(bus, sandbox);
}

static void
test_all_options(void)
{
    g_autoptr(GVariant) answer = call(
        bus, MANAGER, "CreateSandbox",
        "({'template': <'minimal'>, 'timeout': <uint64 10>, 'on-timeout': <'kill'>, 'name': "
        "<'näme'>,"
        " 'metadata': <{'b': '2', 'a': '1'}>, 'environment': <{'COLOUR': 'a b=c', 'EMPTY': ''}>,"
        " 'vcpus': <uint32 1>, 'memory-mib': <uint64 64>, 'idempotency-key': <'all'>},)");
    g_autofree char *sandbox = NULL, *expected_out = NULL;
    g_autoptr(GVariant) name = NULL, metadata = NULL, expires = NULL, ran = NULL;
    g_autoptr(GVariant) expected = g_variant_ref_sink(g_variant_new_parsed("{'a': '1', 'b': '2'}"));
    const char *out;

    g_variant_get(answer, "(o)", &sandbox);
    name = get_property(bus, sandbox, "Name");
    metadata = get_property(bus, sandbox, "Metadata");
    expires = get_property(bus, sandbox, "Expires");
    g_assert_cmpstr(g_variant_get_string(name, NULL), ==, "näme");
    g_assert_cmpvariant(metadata, expected);
    g_assert_cmpuint(g_variant_get_uint64(expires), <, g_get_real_time() + 11 * G_USEC_PER_SEC);
    ran = run_shell(bus, sandbox, "echo \"$COLOUR|${EMPTY-unset}\"; hostname");
    g_variant_get_child(ran, 1, "&s", &out);
    expected_out = g_strdup_printf("a b=c|\n%s\n", id_of(sandbox));
    g_assert_cmpstr(out, ==, expected_out);
    kill_sandbox(bus, sandbox);
}

/* --- finding and ending a sandbox --- */

static void
test_get_and_kill(void)
{
    g_autofree char *sandbox = create(bus), *other = create(bus);
    g_autoptr(GVariant) found = call(bus, MANAGER, "GetSandbox", "(%s,)", id_of(sandbox));
    const char *path;

    g_variant_get(found, "(&o)", &path);
    g_assert_cmpstr(path, ==, sandbox);
    g_variant_unref(call(bus, MANAGER, "KillSandbox", "(%s,)", id_of(sandbox)));
    call_fails(bus, MANAGER, "GetSandbox", "NoSuchSandbox", "has ended: killed", "(%s,)",
               id_of(sandbox));
    call_fails(bus, MANAGER, "KillSandbox", "NoSuchSandbox", "has ended: killed", "(%s,)",
               id_of(sandbox));
    call_fails(bus, sandbox, "Kill", "NoSuchSandbox", "has ended: killed", "()");
    call_fails(bus, sandbox, "SetTimeout", "NoSuchSandbox", "has ended: killed", "(uint64 5,)");
    call_fails(bus, sandbox, PROPERTIES ".Get", "NoSuchSandbox", "killed",
               "('org.cloche1.Sandbox', 'State')");
    g_variant_unref(run_shell(bus, other, "true"));
    kill_sandbox(bus, other);
}

static void
test_ids_that_never_were(void)
{
    static const char *const ids[] = {"aaaaaaaaaaaaaaaa", "", "../../etc", "A", "x y"};

    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        call_fails(bus, MANAGER, "GetSandbox", "NoSuchSandbox", "there is no sandbox", "(%s,)",
                   ids[i]);
        call_fails(bus, MANAGER, "KillSandbox", "NoSuchSandbox", "there is no sandbox", "(%s,)",
                   ids[i]);
    }
    call_fails(bus, NEVER_WAS, "Kill", "NoSuchSandbox", "there is no sandbox", "()");
    call_fails(bus, NEVER_WAS, "SetTimeout", "NoSuchSandbox", "no sandbox", "(uint64 5,)");
    call_fails(bus, NEVER_WAS, "Run", "NoSuchSandbox", "no sandbox", "(['true'], @a{sv} {})");
    call_fails(bus, NEVER_WAS, "RunCode", "NoSuchSandbox", "no sandbox", "('1', @a{sv} {})");
    call_fails(bus, NEVER_WAS, PROPERTIES ".GetAll", "NoSuchSandbox", "no sandbox",
               "('org.cloche1.Sandbox',)");
}

static void
test_template_that_is_not_installed(void)
{
    call_fails(bus, MANAGER, "CreateSandbox", "NoSuchTemplate", "'gone' is not installed",
               "({'template': <'gone'>},)");
    call_fails(bus, MANAGER, "RunCode", "NoSuchTemplate", "'gone' is not installed",
               "('python', '1', {'template': <'gone'>})");
    call_fails(bus, MANAGER, "RunCode", "Unsupported", "no interpreter for 'python'",
               "('python', '1', @a{sv} {})");
}

static void
test_object_tree(void)
{
    g_autofree char *first = create(bus), *second = create(bus);
    g_autoptr(GVariant) answer = call(bus, MANAGER, OBJECTS ".GetManagedObjects", "()");
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) interfaces = g_variant_lookup_value(objects, second, NULL);
    g_autoptr(GVariant) properties = NULL, tree = NULL;
    g_autofree char *id = NULL;
    const char *xml;

    g_assert_cmpint(g_variant_n_children(objects), ==, 2);
    g_assert_cmpint(g_variant_n_children(interfaces), ==, 1);
    properties = g_variant_lookup_value(interfaces, "org.cloche1.Sandbox", NULL);
    id = dict_string(properties, "Id");
    g_assert_cmpstr(id, ==, id_of(second));

    tree = call(bus, MANAGER "/sandbox", "org.freedesktop.DBus.Introspectable.Introspect", "()");
    g_variant_get(tree, "(&s)", &xml);
    g_assert_nonnull(strstr(xml, id_of(first)));
    g_assert_nonnull(strstr(xml, id_of(second)));
    kill_sandbox(bus, first);
    kill_sandbox(bus, second);
}

/* --- idempotency --- */

static char *
create_with_key(const char *key, const char *name)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox",
                                      "({'idempotency-key': <%s>, 'name': <%s>},)", key, name);
    char *path;

    g_variant_get(answer, "(o)", &path);
    return path;
}

static void
test_idempotency(void)
{
    g_autofree char *first = create_with_key("k", "n"), *second = create_with_key("k", "n");
    g_autofree char *other = create_with_key("l", "n"), *third = NULL;

    g_assert_cmpstr(first, ==, second);
    g_assert_cmpstr(first, !=, other);
    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument", "'k' was used with other options",
               "({'idempotency-key': <'k'>, 'name': <'m'>},)");
    kill_sandbox(bus, first);
    third = create_with_key("k", "m");
    g_assert_cmpstr(first, !=, third);
    kill_sandbox(bus, third);
    kill_sandbox(bus, other);
}

/* Requests that look the same when their parts are joined. */
static void
test_idempotency_alike(void)
{
    g_autoptr(GVariant) made =
        call(bus, MANAGER, "CreateSandbox",
             "({'idempotency-key': <'alike'>, 'environment': <{'A': 'x\nB=y'}>},)");
    const char *sandbox;

    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument", "was used with other options",
               "({'idempotency-key': <'alike'>, 'environment': <{'A': 'x', 'B': 'y'}>},)");
    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument", "was used with other options",
               "({'idempotency-key': <'alike'>, 'metadata': <{'A': 'x\nB=y'}>},)");
    g_variant_get(made, "(&o)", &sandbox);
    kill_sandbox(bus, sandbox);
}

static void
test_idempotency_at_once(void)
{
    Pending *calls[8];
    g_autofree char *first = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
        calls[i] = call_start(bus, MANAGER, "CreateSandbox", "({'idempotency-key': <'same'>},)");
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        const char *path;

        pending_wait(calls[i]);
        g_assert_no_error(calls[i]->error);
        g_variant_get(calls[i]->answer, "(&o)", &path);
        if (!first)
            first = g_strdup(path);
        g_assert_cmpstr(path, ==, first);
        pending_free(calls[i]);
    }
    kill_sandbox(bus, first);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {
        .target = 1, .sandboxes = 1100, .memory_mib = 100000, .lifetime_s = 3600};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/manager/properties", test_manager_properties);
    g_test_add_func("/manager/templates", test_templates);
    g_test_add_func("/manager/not-there", test_what_is_not_there);
    g_test_add_func("/sandbox/defaults", test_defaults);
    g_test_add_func("/sandbox/all-options", test_all_options);
    g_test_add_func("/sandbox/get-and-kill", test_get_and_kill);
    g_test_add_func("/sandbox/never-was", test_ids_that_never_were);
    g_test_add_func("/sandbox/no-such-template", test_template_that_is_not_installed);
    g_test_add_func("/sandbox/object-tree", test_object_tree);
    g_test_add_func("/idempotency/one-after-the-other", test_idempotency);
    g_test_add_func("/idempotency/alike", test_idempotency_alike);
    g_test_add_func("/idempotency/at-once", test_idempotency_at_once);
    return fixture_run_tests(&options, &fixture, &bus);
}
