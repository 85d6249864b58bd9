/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon: builds the service from its configuration, runs it on the bus, and stops it.
 *
 * The service takes its bus name last, so every caller finds a service that answers and knows all
 * running sandboxes. It waits neither for libvirt nor for any machine. SIGTERM and a lost bus leave
 * sandboxes running, for the next instance of the service; SIGINT ends them.
 */
#include "daemon.h"

#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "closer.h"
#include "confine.h"
#include "crash-mark.h"
#include "error.h"
#include "gate.h"
#include "server.h"

#define BUS_NAME "org.cloche1"
#define STATUS_CONFIG 78       /* EX_CONFIG: a restart does not help */
#define STATUS_INTERRUPTED 130 /* as in a shell; the unit does not restart the service */

typedef struct {
    GMainLoop *loop;
    char *path; /* of the configuration, or NULL */
    gboolean user_mode;
    Config *config;
    Vm *vm;
    Store *store;
    Core *core;
    Gate *gate; /* of the system bus */
    GDBusConnection *connection;
    Server *server;
    guint name_id, watchdog;
    gboolean has_name, is_ready, is_stopping;
    int status;
} Daemon;

/* --- notifying systemd --- */

/* The service is ready when it has its name and has checked all templates. */
static void
on_changed(gpointer data)
{
    Daemon *daemon = data;
    g_autofree char *summary = core_summary(daemon->core);

    sd_notifyf(/* unset_environment= */ 0, "STATUS=%s", summary);
    if (daemon->is_ready || !daemon->has_name || !core_is_checked(daemon->core))
        return;
    daemon->is_ready = TRUE;
    sd_notify(/* unset_environment= */ 0, "READY=1");
}

static gboolean
on_watchdog(gpointer data)
{
    sd_notify(/* unset_environment= */ 0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static void
start_watchdog(Daemon *daemon)
{
    uint64_t interval_us;

    if (sd_watchdog_enabled(/* unset_environment= */ 0, &interval_us) > 0)
        daemon->watchdog = g_timeout_add((guint)(interval_us / 2000), on_watchdog, NULL);
}

/* --- stop --- */

static void
on_core_stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    Daemon *daemon = data;

    core_stop_finish(result);
    g_main_loop_quit(daemon->loop);
}

static void
stop(Daemon *daemon, gboolean leave_sandboxes, int status)
{
    daemon->status = MAX(daemon->status, status);
    if (daemon->is_stopping)
        return;
    daemon->is_stopping = TRUE;
    sd_notify(/* unset_environment= */ 0, "STOPPING=1");
    core_stop_async(daemon->core, leave_sandboxes, on_core_stopped, daemon);
}

static gboolean
on_terminate(gpointer data)
{
    stop(data, /* leave_sandboxes= */ TRUE, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt(gpointer data)
{
    stop(data, /* leave_sandboxes= */ FALSE, STATUS_INTERRUPTED);
    return G_SOURCE_CONTINUE;
}

static void
on_bus_closed(GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer data)
{
    g_warning("The connection to the bus was closed");
    stop(data, /* leave_sandboxes= */ TRUE, 1);
}

static void
on_name_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    Daemon *daemon = data;

    daemon->has_name = TRUE;
    on_changed(daemon);
}

static void
on_name_lost(GDBusConnection *connection, const char *name, gpointer data)
{
    g_warning("Cannot own the name %s on the bus: another program owns it, or the policy of the "
              "bus denies it",
              BUS_NAME);
    stop(data, /* leave_sandboxes= */ TRUE, 1);
}

/* --- reload --- */

static void
take_config(Daemon *daemon, Config *fresh)
{
    const char *fixed = config_find_fixed(daemon->config, fresh);

    if (fixed)
        g_warning("The change of %s takes effect when the service is restarted", fixed);
    core_reconfigure(daemon->core, &fresh->core);
    g_message("The configuration was reloaded");
}

static void
reload(Daemon *daemon)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) fresh = config_load(daemon->path, daemon->user_mode, &error);

    if (fresh)
        take_config(daemon, fresh);
    else
        g_warning("The configuration was not reloaded: %s", error->message);
}

/* systemd expects READY=1 after RELOADING=1, but the service may not be ready yet. */
static gboolean
on_hangup(gpointer data)
{
    Daemon *daemon = data;

    if (daemon->is_stopping)
        return G_SOURCE_CONTINUE;
    if (daemon->is_ready)
        sd_notify(/* unset_environment= */ 0, "RELOADING=1");
    reload(daemon);
    if (daemon->is_ready)
        sd_notify(/* unset_environment= */ 0, "READY=1");
    return G_SOURCE_CONTINUE;
}

/* --- start --- */

static gboolean
open_bus(Daemon *daemon, GError **error)
{
    daemon->connection = daemon->user_mode ? g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error)
                                           : gate_open_bus(&daemon->gate, error);
    if (!daemon->connection)
        return FALSE;
    g_dbus_connection_set_exit_on_close(daemon->connection, FALSE);
    g_signal_connect(daemon->connection, "closed", G_CALLBACK(on_bus_closed), daemon);
    return TRUE;
}

/* An embedded libvirt starts QEMU from this process, and needs capabilities and system calls for
 * it.
 */
static gboolean
is_confined(const Daemon *daemon)
{
    return !g_str_has_prefix(daemon->config->connection, "qemu:///embed");
}

static gboolean
build(Daemon *daemon, DaemonOpenVm open_vm, DaemonOpenEgress open_egress, GError **error)
{
    Config *config = daemon->config;
    g_autofree char *crash = NULL;

    daemon->store = store_open(config->state, config->ram, config->run, config->group, error);
    if (!daemon->store || (is_confined(daemon) && !confine_capabilities(error)))
        return FALSE;
    closer_init();
    crash = store_crash_path(daemon->store);
    crash_mark_install(crash);
    daemon->vm = open_vm(config, error);
    if (!daemon->vm)
        return FALSE;
    daemon->core = core_new(&config->core, daemon->vm, daemon->store, error);
    if (!daemon->core || !open_bus(daemon, error))
        return FALSE;
    core_use_egress(daemon->core, open_egress(config));
    daemon->server = server_new(daemon->connection, daemon->core, daemon->user_mode, error);
    return daemon->server && (!is_confined(daemon) || confine_system_calls(error));
}

/* The name comes after the records were read: every caller finds all sandboxes. */
static void
start(Daemon *daemon)
{
    core_adopt(daemon->core);
    core_start(daemon->core);
    daemon->name_id = g_bus_own_name_on_connection(daemon->connection, BUS_NAME,
                                                   G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                   on_name_acquired, on_name_lost, daemon, NULL);
}

static void
serve(Daemon *daemon)
{
    const guint sources[] = {
        g_unix_signal_add(SIGTERM, on_terminate, daemon),
        g_unix_signal_add(SIGINT, on_interrupt, daemon),
        g_unix_signal_add(SIGHUP, on_hangup, daemon),
    };

    start_watchdog(daemon);
    core_watch(daemon->core, on_changed, daemon);
    start(daemon);
    g_main_loop_run(daemon->loop);
    g_clear_handle_id(&daemon->name_id, g_bus_unown_name);
    g_clear_handle_id(&daemon->watchdog, g_source_remove);
    for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
}

static void
daemon_clear(Daemon *daemon)
{
    server_free(daemon->server);
    if (daemon->core)
        core_free(daemon->core);
    if (daemon->connection) {
        g_signal_handlers_disconnect_by_data(daemon->connection, daemon);
        g_dbus_connection_flush_sync(daemon->connection, NULL, NULL);
        g_object_unref(daemon->connection);
    }
    gate_close(daemon->gate);
    if (daemon->vm)
        vm_close(daemon->vm);
    store_free(daemon->store);
    config_free(daemon->config);
    g_free(daemon->path);
    g_main_loop_unref(daemon->loop);
}

/* FALSE: the program ends with *ret_status. */
static gboolean
parse_options(Daemon *daemon, int argc, char **argv, gboolean *ret_checks, int *ret_status)
{
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, &daemon->user_mode,
         "Serve your own user on the session bus", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &daemon->path,
         "Read FILE and FILE.d/*.conf instead of the system's cloched.conf", "FILE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, ret_checks,
         "Check the configuration, print its first error, and exit", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the sandbox service");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_printerr("cloched: %s; see cloched --help\n",
                   error ? error->message : "unexpected argument");
        *ret_status = 2;
        return FALSE;
    }
    if (version)
        g_print("cloched %s\n", CLOCHE_VERSION);
    *ret_status = 0;
    return !version;
}

int
daemon_main(int argc, char **argv, DaemonOpenVm open_vm, DaemonOpenEgress open_egress)
{
    g_autoptr(GError) error = NULL;
    gboolean checks = FALSE;
    Daemon daemon = {0};
    int status;

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN); /* the service writes to descriptors of callers */
    if (!parse_options(&daemon, argc, argv, &checks, &status)) {
        g_free(daemon.path);
        return status;
    }
    daemon.loop = g_main_loop_new(NULL, FALSE);
    daemon.config = config_load(daemon.path, daemon.user_mode, &error);
    if (!daemon.config)
        daemon.status = STATUS_CONFIG;
    else if (!checks && build(&daemon, open_vm, open_egress, &error))
        serve(&daemon);
    else if (!checks) /* STATUS_CONFIG: an administrator must change stored files; 1: a restart may
                         help */
        daemon.status =
            g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED) ? STATUS_CONFIG : 1;
    if (error)
        g_printerr("cloched: %s\n", error->message);
    daemon_clear(&daemon);
    return daemon.status;
}
