/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * with-service COMMAND…: runs the command while a service of the bus tests is on its system bus and
 * its session bus.
 *
 * SIGUSR1 kills the service and starts it again. SIGHUP and SIGUSR2 stop it first, SIGUSR2 together
 * with its sandboxes. The command finds the folder of vm-fake.h's files in FIXTURE_CONTROL.
 * FIXTURE_RUNNERS names the runners that machines of the template 'interpreter' have started, and
 * FIXTURE_DEFAULT_RUNNERS those of the default template 'python' (default: none, because most of
 * the time in which a machine becomes ready is the start of its runners). With FIXTURE_EGRESS,
 * sandboxes can have a network: "fake", by fake-egress; "own", by a cloche-egress that the command
 * starts. FIXTURE_SANDBOXES is the limit of sandboxes (default: 64, whose machines have 4 GiB).
 * With FIXTURE_KVM, machines are not emulated.
 */
#include <gio/gio.h>
#include <glib-unix.h>

#include "client.h"
#include "fake-egress.h"
#include "fixture.h"

static void
on_over(GObject *source, GAsyncResult *result, gpointer is_over)
{
    *(gboolean *)is_over = TRUE;
}

static gboolean
on_kill_service(gpointer fixture)
{
    fixture_restart(fixture, SIGKILL);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_leave_sandboxes(gpointer fixture)
{
    fixture_restart(fixture, SIGTERM);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_end_sandboxes(gpointer fixture)
{
    fixture_restart(fixture, SIGINT);
    return G_SOURCE_CONTINUE;
}

int
main(int argc, char **argv)
{
    const char *python_runners = g_getenv("FIXTURE_DEFAULT_RUNNERS");
    const char *interpreter_runners = g_getenv("FIXTURE_RUNNERS");
    const char *egress = g_getenv("FIXTURE_EGRESS"), *sandboxes = g_getenv("FIXTURE_SANDBOXES");
    const guint limit = sandboxes ? (guint)g_ascii_strtoull(sandboxes, NULL, 10) : 0;
    const FixtureOptions options = {.has_python = TRUE,
                                    .has_interpreter = TRUE,
                                    .python_runners = python_runners ? python_runners : "",
                                    .interpreter_runners =
                                        interpreter_runners ? interpreter_runners : "",
                                    .has_egress = egress != NULL,
                                    .kvm = g_getenv("FIXTURE_KVM") ? "0" : NULL,
                                    .sandboxes = limit,
                                    .memory_mib = limit * MEMORY_MIB,
                                    .target = 1,
                                    .default_template = "python"};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GSubprocess) command = NULL;
    g_autoptr(GError) error = NULL;
    gboolean is_over = FALSE;

    if (g_strcmp0(egress, "fake") == 0)
        egress_start_fake(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "python"));
    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    g_subprocess_launcher_setenv(launcher, "DBUS_SESSION_BUS_ADDRESS", fixture->address, TRUE);
    g_subprocess_launcher_setenv(launcher, "FIXTURE_CONTROL", fixture->control, TRUE);
    g_unix_signal_add(SIGUSR1, on_kill_service, fixture);
    g_unix_signal_add(SIGHUP, on_leave_sandboxes, fixture);
    g_unix_signal_add(SIGUSR2, on_end_sandboxes, fixture);
    command = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv + 1, &error);
    g_assert_no_error(error);
    /* Not g_subprocess_wait(): the main loop must run, because the service waits until its notices
     * are read. */
    g_subprocess_wait_async(command, NULL, on_over, &is_over);
    while (!is_over)
        g_main_context_iteration(NULL, TRUE);
    return g_subprocess_get_if_exited(command) ? g_subprocess_get_exit_status(command) : 1;
}
