/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-signals: signals report each change of a sandbox, and it ends at its deadline. */
#include "client.h"
#include "fixture.h"

#define TARGET 2

static Fixture *fixture;
static GDBusConnection *bus;

/* --- helpers --- */

/* Returns the dictionary of changed values of a PropertiesChanged. */
static GVariant *
changed_values(GVariant *signal)
{
    g_autoptr(GVariant) invalidated = g_variant_get_child_value(signal, 2);

    g_assert_cmpint(g_variant_n_children(invalidated), ==, 0);
    return g_variant_get_child_value(signal, 1);
}

static void
assert_ends(Listener *listener, const char *sandbox, const char *reason)
{
    g_autoptr(GVariant) changed = listener_wait(listener, sandbox, "PropertiesChanged");
    g_autoptr(GVariant) values = changed_values(changed);
    g_autoptr(GVariant) gone = listener_wait(listener, MANAGER, "InterfacesRemoved");
    g_autoptr(GVariant) removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_autofree char *state = dict_string(values, "State");
    g_autofree char *why = dict_string(values, "EndReason");
    const char *id, *path, *text;

    g_assert_cmpstr(state, ==, "ended");
    g_assert_cmpstr(why, ==, reason);
    g_variant_get_child(gone, 0, "&o", &path);
    g_assert_cmpstr(path, ==, sandbox);
    g_variant_get(removed, "(&s&o&s)", &id, &path, &text);
    g_assert_cmpstr(id, ==, id_of(sandbox));
    g_assert_cmpstr(path, ==, sandbox);
    g_assert_cmpstr(text, ==, reason);
}

/* --- tests --- */

static void
test_added(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *sandbox = create(bus);
    g_autoptr(GVariant) objects = listener_wait(listener, MANAGER, "InterfacesAdded");
    g_autoptr(GVariant) added = listener_wait(listener, MANAGER, "SandboxAdded");
    g_autoptr(GVariant) interfaces = g_variant_get_child_value(objects, 1);
    g_autoptr(GVariant) properties =
        g_variant_lookup_value(interfaces, "org.cloche1.Sandbox", G_VARIANT_TYPE_VARDICT);
    g_autofree char *template = dict_string(properties, "Template");
    const char *id, *path;

    g_variant_get_child(objects, 0, "&o", &path);
    g_assert_cmpstr(path, ==, sandbox);
    g_assert_cmpint(g_variant_n_children(properties), ==, 15);
    g_assert_cmpstr(template, ==, "minimal");
    g_variant_get(added, "(&s&o)", &id, &path);
    g_assert_cmpstr(id, ==, id_of(sandbox));
    g_assert_cmpstr(path, ==, sandbox);

    kill_sandbox(bus, sandbox);
    assert_ends(listener, sandbox, "killed");
}

static void
test_timeout_is_set(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *sandbox = create(bus);
    gint64 now_us = g_get_real_time();
    g_autoptr(GVariant) done = call(bus, sandbox, "SetTimeout", "(uint64 1000,)");
    g_autoptr(GVariant) changed = listener_wait(listener, sandbox, "PropertiesChanged");
    g_autoptr(GVariant) values = changed_values(changed);
    g_autoptr(GVariant) expires = get_property(bus, sandbox, "Expires");
    gint64 told_us = (gint64)dict_number(values, "Expires");

    g_assert_cmpint(g_variant_n_children(values), ==, 1);
    g_assert_cmpint(ABS(told_us - now_us - 1000 * G_USEC_PER_SEC), <, G_USEC_PER_SEC);
    g_assert_cmpint(ABS((gint64)g_variant_get_uint64(expires) - told_us), <, G_USEC_PER_SEC);
    kill_sandbox(bus, sandbox);
}

static void
refuse_timeout(const char *sandbox, const char *timeout, const char *name, const char *message)
{
    g_autofree char *words = g_strdup_printf("(uint64 %s,)", timeout);
    g_autofree char *options = g_strdup_printf("({'timeout': <uint64 %s>},)", timeout);

    call_fails(bus, sandbox, "SetTimeout", name, message, words);
    call_fails(bus, MANAGER, "CreateSandbox", name, message, options);
}

static void
test_timeout_bounds(void)
{
    g_autofree char *sandbox = create(bus);
    g_autoptr(GVariant) before = get_property(bus, sandbox, "Expires"), after = NULL;

    refuse_timeout(sandbox, "0", "InvalidArgument", "from 1 to 315360000 seconds, not 0");
    refuse_timeout(sandbox, "315360001", "InvalidArgument", "seconds, not 315360001");
    refuse_timeout(sandbox, "18446744073709551615", "InvalidArgument", "18446744073709551615");
    refuse_timeout(sandbox, "315360000", "QuotaExceeded", "limit lifetime is 3600 seconds");
    refuse_timeout(sandbox, "3601", "QuotaExceeded", "limit lifetime is 3600 seconds");
    after = get_property(bus, sandbox, "Expires");
    g_assert_cmpint(ABS((gint64)(g_variant_get_uint64(after) - g_variant_get_uint64(before))), <,
                    G_USEC_PER_SEC);
    g_variant_unref(call(bus, sandbox, "SetTimeout", "(uint64 3600,)"));
    g_variant_unref(call(bus, sandbox, "SetTimeout", "(uint64 1,)"));
    kill_sandbox(bus, sandbox);
}

/* The sandbox does not end before its deadline, and at most a tenth of a second after it. */
static void
assert_expires_on_time(Listener *listener, const char *sandbox, gint64 asked_us, gint64 answered_us)
{
    g_autoptr(GVariant) told = NULL;

    assert_ends(listener, sandbox, "timed-out");
    g_assert_cmpint(g_get_monotonic_time() - asked_us, >=, G_USEC_PER_SEC);
    g_assert_cmpint(g_get_monotonic_time() - answered_us, <, 1.5 * G_USEC_PER_SEC);
    call_fails(bus, sandbox, "Kill", "NoSuchSandbox", "has ended: timed-out", "()");
}

static void
test_deadline_of_create(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *longer = create(bus), *sandbox = NULL;
    gint64 asked_us = g_get_monotonic_time();
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", "({'timeout': <uint64 1>},)");

    g_variant_get(answer, "(o)", &sandbox);
    assert_expires_on_time(listener, sandbox, asked_us, g_get_monotonic_time());
    kill_sandbox(bus, longer);
}

static void
test_deadline_that_is_moved(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *earlier = create(bus), *later = NULL;
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", "({'timeout': <uint64 1>},)");
    gint64 asked_us;

    g_variant_get(answer, "(o)", &later);
    g_variant_unref(call(bus, later, "SetTimeout", "(uint64 60,)"));
    asked_us = g_get_monotonic_time();
    g_variant_unref(call(bus, earlier, "SetTimeout", "(uint64 1,)"));
    g_variant_unref(listener_wait(listener, earlier, "PropertiesChanged"));
    assert_expires_on_time(listener, earlier, asked_us, g_get_monotonic_time());
    g_variant_unref(run_shell(bus, later, "true"));
    kill_sandbox(bus, later);
}

/* A timeout begins when the sandbox exists, so a wait for its machine does not shorten it. */
static void
test_deadline_behind_a_wait(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *clock = NULL, *late = NULL;
    g_autoptr(Pending) waiting = NULL;
    g_autoptr(GVariant) expired = NULL;

    wait_for_pool(bus, "minimal", "ready", TARGET);
    fixture_hold(fixture);
    for (guint i = 0; i < TARGET; i++) {
        g_free(clock);
        clock = create(bus);
    }
    g_variant_unref(call(bus, clock, "SetTimeout", "(uint64 1,)"));
    waiting = call_start(bus, MANAGER, "CreateSandbox", "({'timeout': <uint64 1>},)");
    expired = listener_wait(listener, MANAGER, "SandboxRemoved");
    fixture_release(fixture);
    pending_wait(waiting);
    g_assert_no_error(waiting->error);
    g_variant_get(waiting->answer, "(o)", &late);
    g_variant_unref(run_shell(bus, late, "true"));
    kill_sandbox(bus, late);
}

static void
test_deadline_during_a_run(void)
{
    g_autofree char *sandbox = create(bus);
    g_autoptr(Pending) run = call_start(bus, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");

    g_variant_unref(call(bus, sandbox, "SetTimeout", "(uint64 1,)"));
    pending_wait(run);
    assert_error(run->error, "GuestLost", "has ended: timed-out");
}

static void
test_kill_during_a_run(void)
{
    g_autofree char *sandbox = create(bus);
    g_autoptr(Pending) run = call_start(bus, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");

    kill_sandbox(bus, sandbox);
    pending_wait(run);
    assert_error(run->error, "GuestLost", "has ended: killed");
}

/* A connection that has never called the service gets no signals. */
static void
test_stranger_hears_nothing(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    GDBusConnection *stranger = fixture_connect(fixture, 0);
    g_autoptr(Listener) silent = listener_new_silent(stranger);
    g_autofree char *sandbox = create(bus);

    kill_sandbox(bus, sandbox);
    assert_ends(listener, sandbox, "killed");
    /* The reply arrives after all signals that were sent to the connection. */
    g_variant_unref(get_property(stranger, MANAGER, "Version"));
    g_assert_cmpint(listener_count(silent, "SandboxAdded"), ==, 0);
    g_assert_cmpint(listener_count(silent, "SandboxRemoved"), ==, 0);
    g_clear_pointer(&silent, listener_free);
    fixture_leave(stranger);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = TARGET, .lifetime_s = 3600};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/signals/added-and-removed", test_added);
    g_test_add_func("/signals/timeout", test_timeout_is_set);
    g_test_add_func("/signals/stranger", test_stranger_hears_nothing);
    g_test_add_func("/deadline/bounds", test_timeout_bounds);
    g_test_add_func("/deadline/of-create", test_deadline_of_create);
    g_test_add_func("/deadline/moved", test_deadline_that_is_moved);
    g_test_add_func("/deadline/behind-a-wait", test_deadline_behind_a_wait);
    g_test_add_func("/deadline/during-a-run", test_deadline_during_a_run);
    g_test_add_func("/signals/kill-during-a-run", test_kill_during_a_run);
    return fixture_run_tests(&options, &fixture, &bus);
}
