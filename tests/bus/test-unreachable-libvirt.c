/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-unreachable-libvirt: sandboxes continue while libvirt does not answer. Ended sandboxes are
 * removed as soon as libvirt answers again, and nothing is left.
 */
#include <signal.h>

#include "client.h"
#include "fixture.h"
#include "util.h"

#define AWAY "the test wants libvirt to be away"

static void
set_away(Fixture *fixture, gboolean is_away)
{
    fixture_set_control(fixture, "away", is_away ? "" : NULL);
}

/* The sandbox is gone for all callers, but its machine exists until libvirt can end it. */
static void
test_kill(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *killed = create(fixture->bus), *other = create(fixture->bus);
    g_autoptr(Listener) listener = listener_new(fixture->bus);

    set_away(fixture, TRUE);
    kill_sandbox(fixture->bus, killed);
    g_variant_unref(listener_wait(listener, MANAGER, "SandboxRemoved"));
    call_fails(fixture->bus, killed, "Kill", "NoSuchSandbox", "has ended: killed", "()");
    g_variant_unref(run_shell(fixture->bus, other, "true"));
    fixture_assert_counts(fixture, 2);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, 1);
    set_away(fixture, FALSE);
    fixture_wait_for_counts(fixture, 1);
    g_variant_unref(run_shell(fixture->bus, other, "true"));
}

/* Prepared machines can be claimed. Other creations fail with the reason, until libvirt answers. */
static void
test_create(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *ready = NULL, *later = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    set_away(fixture, TRUE);
    ready = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, ready, "true"));
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "Failed", AWAY, NO_OPTIONS);
    set_away(fixture, FALSE);
    later = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, later, "true"));
}

/* The service stops without waiting for libvirt. The next instance ends the machines. */
static void
test_stop(gconstpointer signal)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *killed = create(fixture->bus), *other = create(fixture->bus);
    gboolean goes_on = GPOINTER_TO_INT(signal) == SIGTERM;

    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    set_away(fixture, TRUE);
    kill_sandbox(fixture->bus, killed);
    fixture_end(fixture, GPOINTER_TO_INT(signal));
    fixture_assert_counts(fixture, 3);
    set_away(fixture, FALSE);
    fixture_start(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    fixture_wait_for_counts(fixture, goes_on ? 2 : 1);
    if (goes_on)
        g_variant_unref(run_shell(fixture->bus, other, "true"));
}

/* --- a service that starts while libvirt does not answer --- */

/* Kills the service, and starts it while libvirt is away. */
static void
restart_away(Fixture *fixture)
{
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_end(fixture, SIGKILL);
    set_away(fixture, TRUE);
    fixture_start(fixture);
}

static guint
count_listed(Fixture *fixture)
{
    g_autoptr(GVariant) answer = call(fixture->bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    return (guint)g_variant_n_children(list);
}

/* All sandboxes are known; calls that need a machine wait, and nothing is ended or removed. When
 * libvirt answers again, machines and templates are there without another restart. */
static void
test_start(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus), *later = NULL;
    g_autoptr(Pending) waits = NULL;

    for (int i = 0; i < 3; i++) { /* also with the remains of several instances */
        if (i > 0)
            set_away(fixture, FALSE);
        restart_away(fixture);
        g_assert_cmpuint(count_listed(fixture), ==, 1);
        g_variant_unref(get_all(fixture->bus, sandbox));
        g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, 1);
        g_assert_cmpuint(fixture_count_files(fixture, fixture->ram, ""), ==, 1);
    }
    waits = call_start(fixture->bus, sandbox, "Run", "(['true'], @a{sv} {})");
    g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
    g_assert_cmpuint(count_listed(fixture), ==, 1);
    set_away(fixture, FALSE);
    pending_wait(waits);
    g_assert_no_error(waits->error);
    later = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, later, "true"));
}

/* A caller does not wait for ever. */
static void
test_busy(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);

    restart_away(fixture);
    call_fails(fixture->bus, sandbox, "SetTimeout", "Busy", "has not answered yet",
               "(uint64 100,)");
    set_away(fixture, FALSE);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

static void
assert_removed(Listener *listener, const char *sandbox, const char *reason)
{
    g_autoptr(GVariant) removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    const char *id, *why;

    g_variant_get(removed, "(&s&o&s)", &id, NULL, &why);
    g_assert_cmpstr(id, ==, id_of(sandbox));
    g_assert_cmpstr(why, ==, reason);
}

/* Deadlines hold: one that was reached before the start, and one that is reached after it. The
 * machines end when libvirt can end them. */
static void
test_deadlines(void)
{
    const FixtureOptions options = {.target = 0, .has_log = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *due = create(fixture->bus), *soon = create(fixture->bus);
    g_autofree char *soon_us = NULL, *log = NULL;
    g_autoptr(Listener) listener = listener_new(fixture->bus);

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_end(fixture, SIGKILL);
    soon_us = g_strdup_printf("%" G_GINT64_FORMAT, util_boottime_us() + 2 * G_USEC_PER_SEC);
    fixture_edit_record(fixture, id_of(due), "Deadline", "1");
    fixture_edit_record(fixture, id_of(soon), "Deadline", soon_us);
    set_away(fixture, TRUE);
    fixture_start(fixture);
    log = g_strdup_printf("Sandbox %s of uid 0 has ended: timed-out", id_of(due));
    g_assert_true(fixture_log_has(fixture, log));
    call_fails(fixture->bus, due, "Kill", "NoSuchSandbox", "has ended: timed-out", "()");
    assert_removed(listener, soon, "timed-out");
    fixture_assert_counts(fixture, 2);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, 0);
    set_away(fixture, FALSE);
    fixture_wait_for_counts(fixture, 0);
}

/* A sandbox can be killed before its machine is known. */
static void
test_kill_unknown(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *killed = create(fixture->bus), *other = create(fixture->bus);
    g_autoptr(Pending) waits = NULL;

    restart_away(fixture);
    waits = call_start(fixture->bus, killed, "Run", "(['true'], @a{sv} {})");
    g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
    kill_sandbox(fixture->bus, killed);
    pending_wait(waits);
    assert_error(waits->error, "NoSuchSandbox", "has ended: killed");
    set_away(fixture, FALSE);
    fixture_wait_for_counts(fixture, 1);
    g_variant_unref(run_shell(fixture->bus, other, "true"));
}

/* The service stops before it knows the machines. */
static void
test_stop_unknown(gconstpointer signal)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);
    gboolean goes_on = GPOINTER_TO_INT(signal) == SIGTERM;

    restart_away(fixture);
    fixture_end(fixture, GPOINTER_TO_INT(signal));
    fixture_assert_counts(fixture, 1);
    set_away(fixture, FALSE);
    fixture_start(fixture);
    if (goes_on)
        g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_wait_for_counts(fixture, goes_on ? 1 : 0);
}

/* libvirt goes away while a template is made: it is made when libvirt is back. */
static void
test_template(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_set_control(fixture, "fail", "1");
    fixture_start(fixture);
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "TemplateNotReady", "wants this start",
               NO_OPTIONS);
    set_away(fixture, TRUE);
    set_away(fixture, FALSE);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    sandbox = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unreachable-libvirt/kill", test_kill);
    g_test_add_func("/unreachable-libvirt/create", test_create);
    g_test_add_data_func("/unreachable-libvirt/stop/terminated", GINT_TO_POINTER(SIGTERM),
                         test_stop);
    g_test_add_data_func("/unreachable-libvirt/stop/interrupted", GINT_TO_POINTER(SIGINT),
                         test_stop);
    g_test_add_func("/unreachable-libvirt/start/all", test_start);
    g_test_add_func("/unreachable-libvirt/start/busy", test_busy);
    g_test_add_func("/unreachable-libvirt/start/deadlines", test_deadlines);
    g_test_add_func("/unreachable-libvirt/start/kill", test_kill_unknown);
    g_test_add_data_func("/unreachable-libvirt/start/terminated", GINT_TO_POINTER(SIGTERM),
                         test_stop_unknown);
    g_test_add_data_func("/unreachable-libvirt/start/interrupted", GINT_TO_POINTER(SIGINT),
                         test_stop_unknown);
    g_test_add_func("/unreachable-libvirt/template", test_template);
    return g_test_run();
}
