/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signals: sends D-Bus signals for the events of the core.
 *
 * On the system bus no signal is broadcast. Each signal is sent to the connections that have called
 * the service and that may see the sandbox, as far as their windows permit (windows.h).
 */
#include "reply.h"
#include "server-private.h"

typedef struct {
    Server *server;
    const Sandbox *sandbox; /* NULL: the signal is for all peers */
    const char *path, *interface, *signal;
    GVariant *parameters;
} Signal;

static void
send_to(Peer *peer, gpointer data)
{
    const Signal *signal = data;

    GDBusMessage *message;

    if (signal->sandbox && !core_may_see(&peer->viewer, signal->sandbox->owner))
        return;
    message = g_dbus_message_new_signal(signal->path, signal->interface, signal->signal);
    g_dbus_message_set_destination(message, peer->name);
    g_dbus_message_set_body(message, signal->parameters);
    windows_send(signal->server->windows, peer, message);
}

static void
send_signal(Server *server, const Sandbox *sandbox, const char *path, const char *interface,
            const char *name, GVariant *parameters)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(parameters);
    Signal signal = {server, sandbox, path, interface, name, sunk};

    if (server->is_private)
        g_dbus_connection_emit_signal(server->connection, NULL, path, interface, name, sunk, NULL);
    else
        peers_foreach(server->peers, send_to, &signal);
}

static void
send_properties_changed(Server *server, const Sandbox *sandbox, const char *path,
                        const char *interface, GVariant *all, const char *const *changed)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(all);
    GVariantBuilder values;

    g_variant_builder_init(&values, G_VARIANT_TYPE_VARDICT);
    for (; *changed; changed++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(dict, *changed, NULL);

        g_variant_builder_add(&values, "{sv}", *changed, value);
    }
    send_signal(server, sandbox, path, PROPERTIES_INTERFACE, "PropertiesChanged",
                g_variant_new("(sa{sv}as)", interface, &values, NULL));
}

static void
on_sandbox_added(const Sandbox *sandbox, gpointer data)
{
    g_autofree char *path = reply_path(sandbox->id);
    GVariantBuilder interfaces;

    g_variant_builder_init(&interfaces, G_VARIANT_TYPE("a{sa{sv}}"));
    g_variant_builder_add(&interfaces, "{s@a{sv}}", SANDBOX_INTERFACE, reply_sandbox(sandbox));
    send_signal(data, sandbox, MANAGER_PATH, OBJECTS_INTERFACE, "InterfacesAdded",
                g_variant_new("(oa{sa{sv}})", path, &interfaces));
    send_signal(data, sandbox, MANAGER_PATH, MANAGER_INTERFACE, "SandboxAdded",
                g_variant_new("(so)", sandbox->id, path));
}

static void
on_sandbox_changed(const Sandbox *sandbox, gpointer data)
{
    static const char *const changed[] = {"Expires", NULL};
    g_autofree char *path = reply_path(sandbox->id);

    send_properties_changed(data, sandbox, path, SANDBOX_INTERFACE, reply_sandbox(sandbox),
                            changed);
}

static void
on_sandbox_state_changed(const Sandbox *sandbox, gpointer data)
{
    static const char *const changed[] = {"State", "Expires", NULL};
    g_autofree char *path = reply_path(sandbox->id);

    send_properties_changed(data, sandbox, path, SANDBOX_INTERFACE, reply_sandbox(sandbox),
                            changed);
}

static void
on_network_changed(const Sandbox *sandbox, gpointer data)
{
    static const char *const changed[] = {"Network", NULL};
    g_autofree char *path = reply_path(sandbox->id);

    send_properties_changed(data, sandbox, path, SANDBOX_INTERFACE, reply_sandbox(sandbox),
                            changed);
}

static void
on_sandbox_ended(const Sandbox *sandbox, gpointer data)
{
    static const char *const changed[] = {"State", "EndReason", NULL};
    static const char *const interfaces[] = {SANDBOX_INTERFACE, NULL};
    g_autofree char *path = reply_path(sandbox->id);

    send_properties_changed(data, sandbox, path, SANDBOX_INTERFACE, reply_sandbox(sandbox),
                            changed);
    send_signal(data, sandbox, MANAGER_PATH, OBJECTS_INTERFACE, "InterfacesRemoved",
                g_variant_new("(o^as)", path, interfaces));
    send_signal(data, sandbox, MANAGER_PATH, MANAGER_INTERFACE, "SandboxRemoved",
                g_variant_new("(sos)", sandbox->id, path, end_reason_name(sandbox->end_reason)));
}

static void
on_process_ended(const Process *process, gpointer data)
{
    static const char *const changed[] = {"State", "ExitStatus", "ExitHow", NULL};
    g_autofree char *path = reply_process_path(process);

    send_properties_changed(data, process->sandbox, path, PROCESS_INTERFACE, reply_process(process),
                            changed);
}

static void
on_manager_changed(gpointer data)
{
    static const char *const changed[] = {"Accelerator", "Emulated", "AccelerationError", NULL};
    Server *server = data;

    send_properties_changed(server, /* sandbox= */ NULL, MANAGER_PATH, MANAGER_INTERFACE,
                            reply_manager(server->core), changed);
}

static void
on_template_changed(const char *name, gpointer data)
{
    send_signal(data, /* sandbox= */ NULL, MANAGER_PATH, MANAGER_INTERFACE, "TemplateChanged",
                g_variant_new("(s)", name));
}

const CoreEvents server_events = {
    .sandbox_added = on_sandbox_added,
    .sandbox_changed = on_sandbox_changed,
    .sandbox_state_changed = on_sandbox_state_changed,
    .network_changed = on_network_changed,
    .sandbox_ended = on_sandbox_ended,
    .process_ended = on_process_ended,
    .manager_changed = on_manager_changed,
    .template_changed = on_template_changed,
};
