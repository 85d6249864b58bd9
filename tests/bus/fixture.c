/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture: a private bus, a polkit, a store and cloched-fake for one test program. */
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "fixture-private.h"
#include "util.h"

#define STATUS_INTERRUPTED 130
#define SERVICE "org.cloche1"
#define POLKIT "org.freedesktop.PolicyKit1"

static const char bus_config[] =
    "<busconfig><type>session</type><keep_umask/><listen>unix:path=%s/bus</listen>"
    "<auth>EXTERNAL</auth><policy context='default'>"
    "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>"
    "<allow own='*'/><allow user='*'/>"
    "</policy><include>%s</include></busconfig>";

/* A child is killed when this process ends in any way. With SIGTERM, the service would leave its
 * sandboxes running. */
static void
on_child(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *
spawn(GSubprocessLauncher *launcher, const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_child_setup(launcher, on_child, NULL, NULL);
    process = g_subprocess_launcher_spawnv(launcher, argv, &error);
    g_assert_no_error(error);
    return process;
}

/* --- the bus --- */

static void
start_bus(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autofree char *config =
        g_strdup_printf(bus_config, fixture->dir, g_getenv("CLOCHE_BUS_POLICY"));
    g_autofree char *option = g_strdup_printf("--config-file=%s/bus.conf", fixture->dir);
    const char *argv[] = {"dbus-daemon", option, "--nofork", "--print-address=1", NULL};
    g_autoptr(GDataInputStream) out = NULL;

    fixture_write_file(fixture->dir, "bus.conf", config);
    fixture->bus_daemon = spawn(launcher, argv);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(fixture->bus_daemon));
    fixture->address = g_data_input_stream_read_line(out, NULL, NULL, NULL);
    g_assert_nonnull(fixture->address);
}

GDBusConnection *
fixture_connect(Fixture *fixture, uid_t uid)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus;

    /* The bus takes the effective uid at the time of the connection as the caller's uid. */
    g_assert_cmpint(seteuid(uid), ==, 0);
    bus = g_dbus_connection_new_for_address_sync(fixture->address,
                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                 NULL, NULL, &error);
    g_assert_cmpint(seteuid(0), ==, 0);
    prctl(PR_SET_DUMPABLE, 1); /* seteuid() has cleared it; the leak checker needs it */
    g_assert_no_error(error);
    return bus;
}

void
fixture_leave(GDBusConnection *bus)
{
    g_autoptr(GError) error = NULL;

    g_dbus_connection_close_sync(bus, NULL, &error);
    g_assert_no_error(error);
    g_object_unref(bus);
}

/* --- the service's notices to systemd --- */

static void
hear(Fixture *fixture, const char *line)
{
    if (g_str_equal(line, "RELOADING=1")) {
        fixture->is_reloading = TRUE;
    } else if (g_str_equal(line, "READY=1")) {
        fixture->is_ready = TRUE;
        fixture->has_reloaded = fixture->is_reloading;
        fixture->is_reloading = FALSE;
    } else if (g_str_has_prefix(line, "STATUS=")) {
        g_free(fixture->status);
        fixture->status = g_strdup(line + strlen("STATUS="));
        fixture->has_status = TRUE;
    }
}

typedef struct {
    Fixture *fixture;
    char text[4096];
} Notice;

static gboolean
on_notice(gpointer data)
{
    const Notice *notice = data;
    g_auto(GStrv) lines = g_strsplit(notice->text, "\n", -1);

    for (char **line = lines; *line; line++)
        hear(notice->fixture, *line);
    return G_SOURCE_REMOVE;
}

/* Runs in a thread, because the service waits until its notices are read, and the test may wait for
 * the service. */
static gpointer
read_notices(gpointer data)
{
    Fixture *fixture = data;

    for (;;) {
        Notice *notice = g_new0(Notice, 1);

        notice->fixture = fixture;
        if (g_socket_receive(fixture->notify, notice->text, sizeof notice->text - 1,
                             fixture->closing, NULL) < 0) {
            g_free(notice);
            return NULL;
        }
        g_idle_add_full(G_PRIORITY_DEFAULT, on_notice, notice, g_free);
    }
}

static void
open_notify(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->dir, "notify", NULL);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) error = NULL;

    fixture->notify = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM,
                                   G_SOCKET_PROTOCOL_DEFAULT, &error);
    g_assert_no_error(error);
    g_socket_bind(fixture->notify, address, /* allow_reuse= */ FALSE, &error);
    g_assert_no_error(error);
    fixture->closing = g_cancellable_new();
    fixture->reader = g_thread_new("notices", read_notices, fixture);
}

static void
close_notify(Fixture *fixture)
{
    g_cancellable_cancel(fixture->closing);
    g_thread_join(fixture->reader);
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ; /* handles the notices that were read last */
    g_object_unref(fixture->closing);
    g_object_unref(fixture->notify);
}

void
fixture_reload(Fixture *fixture)
{
    fixture->has_reloaded = FALSE;
    g_subprocess_send_signal(fixture->service, SIGHUP);
    wait_until(&fixture->has_reloaded);
}

/* --- names --- */

typedef struct {
    gboolean is_known, is_owned;
} Name;

static void
on_name(GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
    *(Name *)data = (Name){TRUE, TRUE};
}

static void
on_no_name(GDBusConnection *bus, const char *name, gpointer data)
{
    *(Name *)data = (Name){TRUE, FALSE};
}

static void
wait_for_name(Fixture *fixture, const char *of, gboolean is_owned)
{
    Name name = {0};
    guint watch = g_bus_watch_name_on_connection(fixture->bus, of, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_name, on_no_name, &name, NULL);

    do {
        name.is_known = FALSE;
        wait_until(&name.is_known);
    } while (name.is_owned != is_owned);
    g_bus_unwatch_name(watch);
}

/* --- polkit --- */

void
fixture_start_polkit(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_INHERIT);
    const char *argv[] = {g_getenv("FAKE_POLKIT"), g_getenv("CLOCHE_POLICY"), NULL};

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    fixture->polkit = spawn(launcher, argv);
    wait_for_name(fixture, POLKIT, TRUE);
}

void
fixture_stop_polkit(Fixture *fixture)
{
    g_subprocess_send_signal(fixture->polkit, SIGKILL);
    g_subprocess_wait(fixture->polkit, NULL, NULL);
    g_clear_object(&fixture->polkit);
    wait_for_name(fixture, POLKIT, FALSE);
}

/* --- the service --- */

void
fixture_launch(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_INHERIT);
    const char *argv[] = {g_getenv("CLOCHED_FAKE"), "--config", fixture->config, NULL};
    g_autofree char *notify = g_build_filename(fixture->dir, "notify", NULL);
    g_autofree char *egress = g_build_filename(fixture->control, "egress", NULL);
    g_autofree char *clock_ms = g_strdup_printf("%u", fixture->options.clock_ms);

    fixture->is_ready = FALSE;
    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    g_subprocess_launcher_setenv(launcher, "CLOCHE_FAKE_DIR", fixture->control, TRUE);
    g_subprocess_launcher_setenv(launcher, "NOTIFY_SOCKET", notify, TRUE);
    g_subprocess_launcher_setenv(launcher, "G_DEBUG", "fatal-criticals", TRUE);
    if (fixture->options.has_egress)
        g_subprocess_launcher_setenv(launcher, "FAKE_EGRESS", egress, TRUE);
    if (fixture->options.clock_ms > 0)
        g_subprocess_launcher_setenv(launcher, "FAKE_CLOCK_MS", clock_ms, TRUE);
    if (fixture->options.has_log)
        g_subprocess_launcher_set_stderr_file_path(launcher, fixture->log);
    fixture->service = spawn(launcher, argv);
}

void
fixture_start(Fixture *fixture)
{
    fixture_launch(fixture);
    wait_for_name(fixture, SERVICE, TRUE);
}

void
fixture_end(Fixture *fixture, int signal)
{
    g_autoptr(GError) error = NULL;

    g_subprocess_send_signal(fixture->service, signal);
    g_subprocess_wait(fixture->service, NULL, &error);
    g_assert_no_error(error);
    if (signal == SIGKILL)
        g_assert_true(g_subprocess_get_if_signaled(fixture->service));
    else
        g_assert_cmpint(g_subprocess_get_exit_status(fixture->service), ==,
                        signal == SIGINT ? 130 : 0);
    g_clear_object(&fixture->service);
    wait_for_name(fixture, SERVICE, FALSE); /* before the next instance takes it */
}

int
fixture_wait_for_exit(Fixture *fixture)
{
    g_autoptr(GSubprocess) service = g_steal_pointer(&fixture->service);
    g_autoptr(GError) error = NULL;

    g_subprocess_wait(service, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_if_exited(service));
    return g_subprocess_get_exit_status(service);
}

void
fixture_stop(Fixture *fixture)
{
    fixture_end(fixture, SIGINT);
    fixture_assert_nothing_left(fixture);
}

void
fixture_restart(Fixture *fixture, int signal)
{
    fixture_end(fixture, signal);
    fixture_start(fixture);
}

gboolean
fixture_log_has(Fixture *fixture, const char *text)
{
    g_autofree char *log = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(fixture->log, &log, NULL, &error);
    g_assert_no_error(error);
    return strstr(log, text) != NULL;
}

/* --- start and end --- */

Fixture *
fixture_new(const FixtureOptions *options)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->options = *options;
    fixture_make_files(fixture);
    fixture_open_machines(fixture);
    if (options->has_virtualization)
        fixture_set_control(fixture, "virtualization", "");
    if (options->kvm)
        fixture_set_control(fixture, "kvm", options->kvm);
    open_notify(fixture);
    start_bus(fixture);
    fixture->bus = fixture_connect(fixture, 0);
    if (!options->no_polkit)
        fixture_start_polkit(fixture);
    fixture_start(fixture);
    return fixture;
}

void
fixture_free(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    if (fixture->service)
        fixture_stop(fixture);
    if (fixture->polkit)
        fixture_stop_polkit(fixture);
    fixture_leave(fixture->bus);
    g_subprocess_send_signal(fixture->bus_daemon, SIGTERM);
    g_subprocess_wait(fixture->bus_daemon, NULL, NULL);
    g_object_unref(fixture->bus_daemon);
    close_notify(fixture);
    close(fixture->alive);
    if (fixture->options.disk_mib > 0)
        umount2(fixture->state, MNT_DETACH);
    util_remove_tree(fixture->dir, &error);
    g_assert_no_error(error);
    g_free(fixture->dir);
    g_free(fixture->state);
    g_free(fixture->run);
    g_free(fixture->ram);
    g_free(fixture->control);
    g_free(fixture->config);
    g_free(fixture->log);
    g_free(fixture->address);
    g_free(fixture->status);
    g_free(fixture);
}

int
fixture_run_tests(const FixtureOptions *options, Fixture **ret_fixture, GDBusConnection **ret_bus)
{
    g_autoptr(Fixture) fixture = fixture_new(options);

    *ret_fixture = fixture;
    *ret_bus = fixture->bus;
    return g_test_run();
}
