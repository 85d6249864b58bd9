/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client: connects to the service, and maps its D-Bus errors to error codes. */
#include "client.h"

static void
register_errors(void)
{
    static gsize once = 0;

    if (!g_once_init_enter(&once))
        return;
    for (int code = 0; code < _CLOCHE_ERROR_MAX; code++) {
        g_autofree char *name = g_strconcat(CLOCHE_ERROR_PREFIX, cloche_error_name(code), NULL);

        g_dbus_error_register_error(CLOCHE_ERROR, code, name);
    }
    g_once_init_leave(&once, 1);
}

static const char *
bus_name(GBusType bus)
{
    return bus == G_BUS_TYPE_SYSTEM ? "system" : "session";
}

ClocheManager *
client_connect(GBusType bus, GError **error)
{
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(ClocheManager) manager = NULL;
    g_autofree char *owner = NULL;

    register_errors();
    connection = g_bus_get_sync(bus, /* cancellable= */ NULL, error);
    if (connection == NULL) {
        g_prefix_error(error, "cannot reach the %s bus: ", bus_name(bus));
        return NULL;
    }
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    manager = cloche_manager_proxy_new_sync(connection, G_DBUS_PROXY_FLAGS_NONE, CLIENT_BUS_NAME,
                                            "/org/cloche1", /* cancellable= */ NULL, error);
    if (manager == NULL)
        return NULL;
    owner = g_dbus_proxy_get_name_owner(G_DBUS_PROXY(manager));
    if (owner == NULL) {
        g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN,
                    "the service is not running on the %s bus", bus_name(bus));
        return NULL;
    }
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(manager), G_MAXINT);
    return g_steal_pointer(&manager);
}

#define CALLS_ONLY                                                                                 \
    (G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START | G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES |            \
     G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS)

ClocheSandbox *
client_sandbox(ClocheManager *manager, const char *path, GError **error)
{
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(manager));
    ClocheSandbox *sandbox;

    sandbox = cloche_sandbox_proxy_new_sync(connection, CALLS_ONLY, CLIENT_BUS_NAME, path,
                                            /* cancellable= */ NULL, error);
    if (sandbox != NULL)
        g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(sandbox), G_MAXINT);
    return sandbox;
}

ClocheProcess *
client_process(ClocheManager *manager, const char *path, GError **error)
{
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(manager));
    ClocheProcess *process;

    process = cloche_process_proxy_new_sync(connection, CALLS_ONLY, CLIENT_BUS_NAME, path,
                                            /* cancellable= */ NULL, error);
    if (process != NULL)
        g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(process), G_MAXINT);
    return process;
}

const char *
client_sandbox_id(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

void
client_tidy_error(GError *error)
{
    g_dbus_error_strip_remote_error(error);
}
