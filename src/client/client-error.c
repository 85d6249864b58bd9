/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client-error: the errors of calls, as codes of CLOCHE_ERROR and as names for programs. */
#include "client-error.h"

#include <gio/gio.h>

void
client_register_errors(void)
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

void
client_tidy_error(GError *error)
{
    g_dbus_error_strip_remote_error(error);
}

gboolean
client_service_is_missing(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

gboolean
client_service_was_lost(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

const char *
client_error_name(const GError *error)
{
    if (error->domain == CLOCHE_ERROR)
        return cloche_error_name(error->code);
    if (client_service_is_missing(error))
        return "ServiceNotRunning";
    if (client_service_was_lost(error))
        return "ServiceLost";
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return "AccessDenied";
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return "Interrupted";
    if (error->domain == G_FILE_ERROR)
        return "FileError";
    if (error->domain == G_OPTION_ERROR)
        return "Usage";
    return "Failed";
}
