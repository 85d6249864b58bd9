/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client: connects to the service, and creates proxies. */
#include "client.h"

#include <string.h>

/* As src/base/util.h generates ids. */
#define ID_LENGTH 16

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

    client_register_errors();
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

gboolean
client_is_sandbox_id(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz234567") == ID_LENGTH && text[ID_LENGTH] == '\0';
}
