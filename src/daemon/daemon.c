/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon: from a config and something that runs machines to a service on the bus, and back to
 * nothing.
 *
 * The name on the bus is taken last, so whoever sees it can call. A signal to stop ends every
 * machine first.
 */
#include "daemon.h"

#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "server.h"

#define BUS_NAME "org.cloche1"
#define DEFAULT_CONFIG "/etc/cloche/cloched.conf"
#define MACHINE_PREFIX "cloche-"

typedef struct {
    GMainLoop *loop;
    Config *config;
    Vm *vm;
    Store *store;
    Core *core;
    GDBusConnection *connection;
    Server *server;
    guint name_id;
    gboolean is_stopping;
    int status;
} Daemon;

/* --- stop --- */

static void
on_core_stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    Daemon *daemon = data;

    core_stop_finish(result);
    g_main_loop_quit(daemon->loop);
}

static void
stop(Daemon *daemon, int status)
{
    daemon->status = MAX(daemon->status, status);
    if (daemon->is_stopping)
        return;
    daemon->is_stopping = TRUE;
    sd_notify(/* unset_environment= */ 0, "STOPPING=1");
    core_stop_async(daemon->core, on_core_stopped, daemon);
}

static gboolean
on_signal(gpointer data)
{
    stop(data, 0);
    return G_SOURCE_CONTINUE;
}

static void
on_bus_closed(GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer data)
{
    g_warning("The bus is gone");
    stop(data, 1);
}

static void
on_name_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    sd_notify(/* unset_environment= */ 0, "READY=1");
}

static void
on_name_lost(GDBusConnection *connection, const char *name, gpointer data)
{
    g_warning("The name %s is taken on this bus, or may not be taken", BUS_NAME);
    stop(data, 1);
}

/* --- start --- */

static gboolean
open_bus(Daemon *daemon, gboolean user_mode, GError **error)
{
    GBusType bus = user_mode ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;

    daemon->connection = g_bus_get_sync(bus, NULL, error);
    if (!daemon->connection)
        return FALSE;
    g_dbus_connection_set_exit_on_close(daemon->connection, FALSE);
    g_signal_connect(daemon->connection, "closed", G_CALLBACK(on_bus_closed), daemon);
    return TRUE;
}

static gboolean
build(Daemon *daemon, gboolean user_mode, DaemonOpenVm open_vm, GError **error)
{
    const Config *config = daemon->config;

    daemon->store = store_open(config->state, config->ram, config->run, config->group, error);
    if (!daemon->store)
        return FALSE;
    daemon->vm = open_vm(config, error);
    if (!daemon->vm || vm_sweep(daemon->vm, MACHINE_PREFIX, error) < 0 ||
        !store_sweep(daemon->store, error))
        return FALSE;
    daemon->core = core_new(&config->core, daemon->vm, daemon->store, error);
    if (!daemon->core || !open_bus(daemon, user_mode, error))
        return FALSE;
    daemon->server = server_new(daemon->connection, daemon->core, user_mode, error);
    return daemon->server != NULL;
}

static void
serve(Daemon *daemon)
{
    guint term = g_unix_signal_add(SIGTERM, on_signal, daemon);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, daemon);

    core_start(daemon->core);
    daemon->name_id = g_bus_own_name_on_connection(daemon->connection, BUS_NAME,
                                                   G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                   on_name_acquired, on_name_lost, daemon, NULL);
    g_main_loop_run(daemon->loop);
    g_bus_unown_name(daemon->name_id);
    g_source_remove(term);
    g_source_remove(interrupt);
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
    if (daemon->vm)
        vm_close(daemon->vm);
    store_free(daemon->store);
    config_free(daemon->config);
    g_main_loop_unref(daemon->loop);
}

int
daemon_main(int argc, char **argv, DaemonOpenVm open_vm)
{
    gboolean user_mode = FALSE, version = FALSE;
    g_autofree char *path = NULL;
    const GOptionEntry entries[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, &user_mode, "Serve your own user on the session bus",
         NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &path, "Read FILE instead of " DEFAULT_CONFIG,
         "FILE"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the sandbox service");
    g_autoptr(GError) error = NULL;
    Daemon daemon = {0};

    setlocale(LC_ALL, "");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_printerr("cloched: %s; see cloched --help\n",
                   error ? error->message : "it takes no arguments");
        return 2;
    }
    if (version) {
        g_print("cloched %s\n", CLOCHE_VERSION);
        return 0;
    }
    if (!path && !user_mode && g_file_test(DEFAULT_CONFIG, G_FILE_TEST_EXISTS))
        path = g_strdup(DEFAULT_CONFIG);

    daemon.loop = g_main_loop_new(NULL, FALSE);
    daemon.config = config_load(path, user_mode, &error);
    if (daemon.config && build(&daemon, user_mode, open_vm, &error)) {
        serve(&daemon);
    } else {
        g_printerr("cloched: %s\n", error->message);
        daemon.status = 1;
    }
    daemon_clear(&daemon);
    return daemon.status;
}
