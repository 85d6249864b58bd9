/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-service-stop: the service stops regardless of what is in progress. fixture_stop() checks
 * that nothing is left. */
#include <signal.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static void
test_with_sandboxes(void)
{
    const FixtureOptions options = {.target = 2};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus), *idle = create(fixture->bus);
    g_autoptr(Listener) listener = listener_new(fixture->bus);
    g_autoptr(Pending) run =
        call_start(fixture->bus, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");
    g_autoptr(GVariant) removed = NULL;
    const char *reason;

    g_variant_unref(get_property(fixture->bus, idle, "State"));
    fixture_stop(fixture);
    pending_wait(run);
    assert_error(run->error, "GuestLost", "has ended: service-stopped");
    removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_variant_get_child(removed, 2, "&s", &reason);
    g_assert_cmpstr(reason, ==, "service-stopped");
}

/* On SIGTERM the service leaves sandboxes running, and the errors of calls say so. */
static void
test_calls_of_sandboxes_that_go_on(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);
    g_autoptr(Listener) listener = listener_new(fixture->bus);
    g_autoptr(Pending) run = NULL, waiting = NULL;

    run = call_start(fixture->bus, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");
    fixture_hold(fixture);
    waiting = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    fixture_wait_for_machines(fixture, 2);
    g_subprocess_send_signal(fixture->service, SIGTERM);
    pending_wait(run);
    assert_error(run->error, "ServiceStopping", "sandbox continues");
    pending_wait(waiting);
    assert_error(waiting->error, "ServiceStopping", "The service is stopping");

    /* The service still waits for the held start, and creates no sandbox. */
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "ServiceStopping", "call again", NO_OPTIONS);
    call_fails(fixture->bus, MANAGER, "RunCode", "ServiceStopping", "call again",
               "('python', '1', @a{sv} {})");
    call_fails(fixture->bus, sandbox, "Run", "ServiceStopping", "call again",
               "(['true'], @a{sv} {})");
    call_fails(fixture->bus, sandbox, "Kill", "ServiceStopping", "call again", "()");
    fixture_release(fixture);
    fixture_end(fixture, SIGTERM);
    g_assert_cmpuint(listener_count(listener, "SandboxRemoved"), ==, 0);
    fixture_assert_counts(fixture, 1);
    fixture_start(fixture);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* Machines that are being claimed are ended, too, and later calls fail. */
static void
test_while_machines_are_claimed(void)
{
    const FixtureOptions options = {.target = 4};
    g_autoptr(Fixture) fixture = fixture_new(&options);

    for (int round = 0; round < 5; round++) {
        Pending *calls[6];

        g_variant_unref(wait_for_template(fixture->bus, "minimal"));
        wait_for_pool(fixture->bus, "minimal", "ready", 4);
        for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
            calls[i] = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
        g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
        fixture_stop(fixture);
        for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
            pending_wait(calls[i]);
            pending_free(calls[i]);
        }
        fixture_start(fixture);
    }
}

/* A held start continues when it is released, and its machine ends at once. */
static void
stop_and_release(Fixture *fixture)
{
    g_subprocess_send_signal(fixture->service, SIGINT);
    fixture_release(fixture);
    fixture_stop(fixture);
}

static void
test_while_somebody_waits(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autoptr(Pending) pending = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_hold(fixture);
    pending = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    fixture_wait_for_machines(fixture, 1);
    stop_and_release(fixture);
    pending_wait(pending);
    assert_error(pending->error, "ServiceStopping", "The service is stopping");
}

static void
test_while_a_template_is_made(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_hold(fixture);
    fixture_start(fixture);
    fixture_wait_for_machines(fixture, 1);
    stop_and_release(fixture);
}

/* A guest that never greets does not delay the end of the service. */
static void
test_while_a_guest_is_silent(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *mute = g_build_filename(fixture->control, "mute", NULL);
    g_autoptr(Pending) pending = NULL;
    gint64 begin_us;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_assert_cmpint(symlink(g_getenv("HOSTILE_AGENT"), mute), ==, 0);
    fixture_set_control(fixture, "agent", mute);
    pending = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_pool(fixture->bus, "minimal", "starting", 1);
    begin_us = g_get_monotonic_time();
    fixture_stop(fixture);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 10 * G_USEC_PER_SEC);
    pending_wait(pending);
    assert_error(pending->error, "ServiceStopping", "The service is stopping");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/service-stop/while-machines-are-claimed", test_while_machines_are_claimed);
    g_test_add_func("/service-stop/with-sandboxes", test_with_sandboxes);
    g_test_add_func("/service-stop/sandboxes-go-on", test_calls_of_sandboxes_that_go_on);
    g_test_add_func("/service-stop/while-somebody-waits", test_while_somebody_waits);
    g_test_add_func("/service-stop/while-a-template-is-made", test_while_a_template_is_made);
    g_test_add_func("/service-stop/while-a-guest-is-silent", test_while_a_guest_is_silent);
    return g_test_run();
}
