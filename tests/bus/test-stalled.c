/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-stalled: a machine that stands still, because the host's disk is full, is not given up.
 *
 * Nothing in it can answer, not even who it is to a service that was started anew meanwhile.
 */
#include <signal.h>

#include "client.h"
#include "fixture.h"

/* The service is there before any time for an answer could be over. */
static void
restart_while_stalled(int signal)
{
    const FixtureOptions options = {.target = 0, .has_log = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);
    g_autofree char *other = create(fixture->bus);
    g_autoptr(Pending) run = NULL;

    fixture_stall(fixture, id_of(sandbox), TRUE);
    fixture_restart(fixture, signal);
    g_variant_unref(get_property(fixture->bus, sandbox, "State"));
    g_variant_unref(run_shell(fixture->bus, other, "true"));
    run = call_start(fixture->bus, sandbox, "Run", "(['true'], @a{sv} {})");
    g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
    fixture_stall(fixture, id_of(sandbox), FALSE);
    pending_wait(run);
    g_assert_no_error(run->error);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    g_assert_true(fixture_log_has(fixture, "was found again and goes on"));
    g_assert_true(fixture_log_has(fixture, "goes on: there is room on the disk again"));
}

static void
test_killed(void)
{
    restart_while_stalled(SIGKILL);
}

static void
test_stopped(void)
{
    restart_while_stalled(SIGTERM);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stalled/killed", test_killed);
    g_test_add_func("/stalled/stopped", test_stopped);
    return g_test_run();
}
