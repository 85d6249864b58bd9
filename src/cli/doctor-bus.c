/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-bus: calls on a bus that may be dead, silent, or without the service.
 *
 * No call may start the service or libvirt: a diagnosis changes nothing.
 */
#include "client.h"
#include "doctor-service.h"

#define TIMEOUT_MS 10000
#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"

/* --- connecting --- */

typedef struct {
    GCancellable *cancellable;
    GAsyncResult *result;
} Connecting;

static void
on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    ((Connecting *)data)->result = g_object_ref(result);
}

static gboolean
on_timeout(gpointer cancellable)
{
    g_cancellable_cancel(cancellable);
    return G_SOURCE_CONTINUE;
}

/* GLib would start a session bus if there is none and an X display is set. */
static gboolean
has_session_bus(void)
{
    const char *address = g_getenv("DBUS_SESSION_BUS_ADDRESS");
    g_autofree char *socket = g_build_filename(g_get_user_runtime_dir(), "bus", NULL);

    return (address != NULL && *address != '\0') || g_file_test(socket, G_FILE_TEST_EXISTS);
}

static GDBusConnection *
connect_to(GBusType type, GError **error)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Connecting connecting = {.cancellable = cancellable};
    GDBusConnection *bus;
    guint timer;

    if (type == G_BUS_TYPE_SESSION && !has_session_bus()) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "DBUS_SESSION_BUS_ADDRESS is not set");
        return NULL;
    }
    timer = g_timeout_add(TIMEOUT_MS, on_timeout, cancellable);
    g_bus_get(type, cancellable, on_connected, &connecting);
    while (connecting.result == NULL)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    g_source_remove(timer);
    bus = g_bus_get_finish(connecting.result, error);
    g_object_unref(connecting.result);
    if (bus != NULL)
        g_dbus_connection_set_exit_on_close(bus, FALSE);
    return bus;
}

/* --- calls --- */

static GVariant *
call(GDBusConnection *bus, const char *name, const char *path, const char *interface,
     const char *method, GVariant *parameters, const char *type, GError **error)
{
    return g_dbus_connection_call_sync(bus, name, path, interface, method, parameters,
                                       G_VARIANT_TYPE(type), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                       TIMEOUT_MS, /* cancellable= */ NULL, error);
}

/* Returns NULL on any error: the caller can do without the value. */
static GVariant *
ask_bus(GDBusConnection *bus, const char *method, const char *name, const char *type)
{
    return call(bus, BUS, BUS_PATH, BUS, method, g_variant_new("(s)", name), type,
                /* error= */ NULL);
}

static GVariant *
get_property(GDBusConnection *bus, const char *name, const char *path, const char *interface,
             const char *property)
{
    g_autoptr(GVariant) answer =
        call(bus, name, path, "org.freedesktop.DBus.Properties", "Get",
             g_variant_new("(ss)", interface, property), "(v)", /* error= */ NULL);
    GVariant *value = NULL;

    if (answer != NULL)
        g_variant_get(answer, "(v)", &value);
    return value;
}

/* --- the service --- */

static void
ask_owner(GDBusConnection *bus, ServiceFacts *facts)
{
    g_autoptr(GVariant) owner = ask_bus(bus, "GetNameOwner", CLIENT_BUS_NAME, "(s)");
    g_autoptr(GVariant) uid = NULL, pid = NULL;
    const char *name;

    facts->is_on_bus = owner != NULL;
    if (owner == NULL)
        return;
    g_variant_get(owner, "(&s)", &name);
    uid = ask_bus(bus, "GetConnectionUnixUser", name, "(u)");
    pid = ask_bus(bus, "GetConnectionUnixProcessID", name, "(u)");
    facts->has_owner = uid != NULL && pid != NULL;
    if (!facts->has_owner)
        return;
    g_variant_get(uid, "(u)", &facts->uid);
    g_variant_get(pid, "(u)", &facts->pid);
}

static GVariant *
ask_service(GDBusConnection *bus, const char *interface, const char *method, GVariant *parameters,
            const char *type, ServiceFacts *facts)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        call(bus, CLIENT_BUS_NAME, "/org/cloche1", interface, method, parameters, type, &error);

    if (answer != NULL)
        return g_variant_get_child_value(answer, 0);
    client_tidy_error(error);
    if (facts->call_error == NULL)
        facts->call_error = g_strdup(error->message);
    return NULL;
}

static void
ask_manager(GDBusConnection *bus, ServiceFacts *facts)
{
    facts->properties = ask_service(bus, "org.freedesktop.DBus.Properties", "GetAll",
                                    g_variant_new("(s)", "org.cloche1.Manager"), "(a{sv})", facts);
    /* After one call without a reply, no further call waits for the service. */
    if (facts->properties != NULL)
        facts->templates = ask_service(bus, "org.cloche1.Manager", "ListTemplates",
                                       /* parameters= */ NULL, "(aa{sv})", facts);
}

/* --- systemd --- */

static char *
ask_unit_state(GDBusConnection *bus, const char *unit)
{
    g_autoptr(GVariant) answer = call(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "GetUnit",
                                      g_variant_new("(s)", unit), "(o)", /* error= */ NULL);
    g_autoptr(GVariant) state = NULL;
    const char *path;

    if (answer == NULL)
        return NULL;
    g_variant_get(answer, "(&o)", &path);
    state = get_property(bus, SYSTEMD, path, SYSTEMD ".Unit", "ActiveState");
    if (state == NULL || !g_variant_is_of_type(state, G_VARIANT_TYPE_STRING))
        return NULL;
    return g_variant_dup_string(state, /* length= */ NULL);
}

static char *
ask_unit_file_state(GDBusConnection *bus, const char *unit)
{
    g_autoptr(GVariant) answer =
        call(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "GetUnitFileState",
             g_variant_new("(s)", unit), "(s)", /* error= */ NULL);
    char *state = NULL;

    if (answer != NULL)
        g_variant_get(answer, "(s)", &state);
    return state;
}

static void
ask_systemd(GDBusConnection *bus, ServiceFacts *facts)
{
    facts->unit_file_state = ask_unit_file_state(bus, "cloched.service");
    facts->unit_state = ask_unit_state(bus, "cloched.service");
    facts->libvirt_state = ask_unit_state(bus, "libvirtd.service");
    if (facts->libvirt_state == NULL)
        facts->libvirt_state = ask_unit_state(bus, "virtqemud.service");
}

void
service_facts_ask(GBusType type, ServiceFacts *ret_facts)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = connect_to(type, &error);

    *ret_facts = (ServiceFacts){0};
    if (bus == NULL) {
        ret_facts->bus_error = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                                   ? g_strdup("it does not answer")
                                   : g_strdup(error->message);
        return;
    }
    ask_owner(bus, ret_facts);
    if (ret_facts->is_on_bus)
        ask_manager(bus, ret_facts);
    if (type == G_BUS_TYPE_SYSTEM)
        ask_systemd(bus, ret_facts);
}
