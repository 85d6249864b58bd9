/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-unreachable-libvirt: libvirt does not answer for a while. Running sandboxes go on, ended
 * sandboxes are removed as soon as libvirt answers again, and nothing is left over.
 */
#include <signal.h>

#include "client.h"
#include "fixture.h"

#define AWAY "the test wants libvirt to be away"

static void
set_away(Fixture *fixture, gboolean is_away)
{
    fixture_set_control(fixture, "away", is_away ? "" : NULL);
}

/* Nobody sees it any more; its machine is there until libvirt can end it. */
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

/* What is ready can be had; what is not fails with the reason, until libvirt is back. */
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

/* The service does not wait for libvirt to end; its next life does what this one could not. */
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

/* It cannot be told what there is: nothing is touched, and systemd tries again. */
static void
test_start(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_end(fixture, SIGKILL);
    set_away(fixture, TRUE);
    for (int i = 0; i < 3; i++) {
        fixture_launch(fixture);
        g_assert_cmpint(fixture_wait_for_exit(fixture), ==, 1);
        fixture_assert_counts(fixture, 1);
        g_assert_cmpuint(fixture_count_files(fixture, fixture->ram, ""), ==, 1);
    }
    set_away(fixture, FALSE);
    fixture_start(fixture);
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
    g_test_add_func("/unreachable-libvirt/start", test_start);
    return g_test_run();
}
