/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* calls: calls of org.cloche1 on the session bus, without a proxy, which would make more calls. */
#include "bench.h"

#define TIMEOUT_MS 300000

GDBusConnection *
calls_open_bus(void)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus = g_bus_get_sync(G_BUS_TYPE_SESSION, /* cancellable= */ NULL, &error);

    if (!bus)
        bench_die("no bus: %s", error->message);
    return bus;
}

GVariant *
calls_do_with_fds(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                  GVariant *arguments, int fd, GUnixFDList **ret_fds)
{
    g_autoptr(GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new() : NULL;
    g_autoptr(GError) error = NULL;
    GVariant *reply;

    if (fds && g_unix_fd_list_append(fds, fd, &error) < 0)
        bench_die("%s: %s", method, error->message);
    reply = g_dbus_connection_call_with_unix_fd_list_sync(
        bus, BUS_NAME, path, interface, method, arguments, /* reply_type= */ NULL,
        G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, fds, ret_fds, /* cancellable= */ NULL, &error);
    if (!reply)
        bench_die("%s: %s", method, error->message);
    return reply;
}

GVariant *
calls_do(GDBusConnection *bus, const char *path, const char *interface, const char *method,
         GVariant *arguments)
{
    return calls_do_with_fds(bus, path, interface, method, arguments, /* fd= */ -1,
                             /* ret_fds= */ NULL);
}

GVariant *
calls_no_options(void)
{
    return g_variant_new_array(G_VARIANT_TYPE("{sv}"), /* children= */ NULL, 0);
}

void
calls_run_true(GDBusConnection *bus, const char *sandbox)
{
    static const char *const argv[] = {"true", NULL};
    g_autoptr(GVariant) reply = calls_do(bus, sandbox, SANDBOX, "Run",
                                         g_variant_new("(^as@a{sv})", argv, calls_no_options()));
    int status;

    g_variant_get_child(reply, 0, "i", &status);
    if (status != 0)
        bench_die("true ended with %d", status);
}
