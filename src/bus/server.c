/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server: cloche's objects on a bus. */
#include "server.h"

#include <unistd.h>

#include "authority.h"
#include "call.h"
#include "error.h"
#include "interfaces.h"
#include "reply.h"

#define MANAGER_PATH "/org/cloche1"
#define MANAGER_INTERFACE "org.cloche1.Manager"
#define SANDBOX_INTERFACE "org.cloche1.Sandbox"
#define OBJECTS_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct Server {
    GDBusConnection *connection;
    Core *core;
    Peers *peers;
    Authority *authority; /* NULL: the bus is its user's own */
    gboolean is_private;
    guint manager_id, objects_id, sandboxes_id;
    GDBusNodeInfo *objects_info;
};

/* --- calls --- */

static void
call_free(Call *call)
{
    peer_unref(call->peer);
    guard_question_clear(&call->question);
    g_free(call);
}

void
call_answer(Call *call, GVariant *value)
{
    g_dbus_method_invocation_return_value(call->invocation, value);
    call_free(call);
}

/* Errors of other domains (files, GDBus) are faults of the service: Failed, with their message. */
static void
return_error(GDBusMethodInvocation *invocation, GError *error)
{
    ClocheError code =
        error->domain == CLOCHE_ERROR ? (ClocheError)error->code : CLOCHE_ERROR_FAILED;
    g_autofree char *name = g_strconcat(CLOCHE_ERROR_PREFIX, cloche_error_name(code), NULL);

    g_dbus_method_invocation_return_dbus_error(invocation, name, error->message);
    g_error_free(error);
}

void
call_fail(Call *call, GError *error)
{
    return_error(call->invocation, error);
    call_free(call);
}

/* The sandbox of the object that is called; TRUE with NULL for the manager's. */
static gboolean
find_sandbox(Call *call, GError **error)
{
    const char *path = g_dbus_method_invocation_get_object_path(call->invocation);
    const char *id = guard_object_id(path);

    if (!id)
        return TRUE;
    call->sandbox = core_find(call->core, &call->viewer, id, error);
    return call->sandbox != NULL;
}

static void
handle(Call *call)
{
    GError *error = NULL;

    if (find_sandbox(call, &error))
        call->method->handle(call, g_dbus_method_invocation_get_parameters(call->invocation));
    else
        call_fail(call, error);
}

/* Whoever may not manage others learns nothing but that they have no such sandbox. */
static gboolean
hides_refusal(const Call *call, const GError *error)
{
    const char *path = g_dbus_method_invocation_get_object_path(call->invocation);

    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED) && !call->asks_own &&
           (guard_object_id(path) || call->method->access == ACCESS_NAMED);
}

static void
on_permitted(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (authority_ask_finish(result, &error)) {
        guard_remember(call->method, &call->question, call->peer, &call->viewer);
        handle(call);
    } else if (hides_refusal(call, error)) {
        g_error_free(error);
        handle(call);
    } else {
        call_fail(call, error);
    }
}

static void
ask(Call *call)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(call->invocation);
    gboolean interactive = (g_dbus_message_get_flags(message) &
                            G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;

    call->question = guard_ask(call->method, call->core, call->peer,
                               g_dbus_method_invocation_get_object_path(call->invocation),
                               g_dbus_method_invocation_get_parameters(call->invocation));
    if (!call->question.action) {
        handle(call);
        return;
    }
    call->asks_own = guard_is_about_own(&call->question);
    authority_ask_async(call->server->authority, call->peer, call->question.action,
                        (const char *const *)call->question.details, interactive, on_permitted,
                        call);
}

/* Whether the caller may call anything at all. */
static gboolean
is_served(const Server *server, const Peer *peer)
{
    guint32 uid = peer->viewer.uid;

    if (server->is_private)
        return uid == 0 || uid == geteuid();
    return !core_is_machine(server->core, uid);
}

typedef struct {
    Server *server;
    GDBusMethodInvocation *invocation;
} Arrival;

static void
on_caller_known(Peer *peer, gpointer data)
{
    g_autofree Arrival *arrival = data;
    GDBusMethodInvocation *invocation = arrival->invocation;
    const char *interface = g_dbus_method_invocation_get_interface_name(invocation);
    const char *name = g_dbus_method_invocation_get_method_name(invocation);
    const Method *method = guard_find(interface, name);
    Call *call;

    if (!peer || !is_served(arrival->server, peer) || !method || method->access == ACCESS_NOBODY) {
        return_error(invocation, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                                             "You may not call %s.%s", interface, name));
        return;
    }
    call = g_new0(Call, 1);
    call->server = arrival->server;
    call->core = arrival->server->core;
    call->invocation = invocation;
    call->peer = peer_ref(peer);
    call->viewer = peer->viewer;
    call->method = method;
    if (call->server->authority && peer->viewer.uid != 0)
        ask(call);
    else
        handle(call);
}

static void
on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    Server *server = data;
    Arrival *arrival = g_new0(Arrival, 1);

    arrival->server = server;
    arrival->invocation = invocation;
    peers_find(server->peers, sender, on_caller_known, arrival);
}

/* Without get_property, GDBus gives calls of Properties to on_call() like all others. */
static const GDBusInterfaceVTable vtable = {.method_call = on_call};

/* --- the objects below SANDBOX_PATH --- */

/* The bus is asked without going on meanwhile: GDBus wants the answer now, and only for somebody
 * who browses. */
static gboolean
ask_uid(GDBusConnection *connection, const char *name, guint32 *ret_uid)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "GetConnectionUnixUser", g_variant_new("(s)", name), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, /* timeout= */ 1000, NULL, NULL);

    if (answer)
        g_variant_get(answer, "(u)", ret_uid);
    return answer != NULL;
}

static char **
enumerate(GDBusConnection *connection, const char *sender, const char *path, gpointer data)
{
    Server *server = data;
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    g_autoptr(GPtrArray) all = core_list(server->core);
    Viewer viewer = {0};

    if (ask_uid(connection, sender, &viewer.uid))
        for (guint i = 0; i < all->len; i++) {
            const Sandbox *sandbox = all->pdata[i];

            if (core_may_see(&viewer, sandbox->owner))
                g_ptr_array_add(ids, g_strdup(sandbox->id));
        }
    g_ptr_array_add(ids, NULL);
    return (char **)g_ptr_array_steal(ids, NULL);
}

/* The same for every name, so that nothing is learnt from it. */
static GDBusInterfaceInfo **
introspect(GDBusConnection *connection, const char *sender, const char *path, const char *node,
           gpointer data)
{
    GDBusInterfaceInfo **interfaces;

    if (!node)
        return NULL;
    interfaces = g_new0(GDBusInterfaceInfo *, 2);
    interfaces[0] =
        g_dbus_interface_info_ref((GDBusInterfaceInfo *)&cloche_org_cloche1_sandbox_interface);
    return interfaces;
}

static const GDBusInterfaceVTable *
dispatch(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
         const char *node, gpointer *ret_data, gpointer data)
{
    *ret_data = data;
    return node && g_str_equal(interface, SANDBOX_INTERFACE) ? &vtable : NULL;
}

static const GDBusSubtreeVTable subtree = {enumerate, introspect, dispatch, {0}};

/* --- signals --- */

typedef struct {
    Server *server;
    const Sandbox *sandbox; /* NULL: for all */
    const char *path, *interface, *signal;
    GVariant *parameters;
} Signal;

static void
send_to(Peer *peer, gpointer data)
{
    const Signal *signal = data;

    if (!signal->sandbox || core_may_see(&peer->viewer, signal->sandbox->owner))
        g_dbus_connection_emit_signal(signal->server->connection, peer->name, signal->path,
                                      signal->interface, signal->signal, signal->parameters, NULL);
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
on_manager_changed(gpointer data)
{
    static const char *const changed[] = {"Accelerator", "Emulated", NULL};
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

static const CoreEvents events = {
    .sandbox_added = on_sandbox_added,
    .sandbox_changed = on_sandbox_changed,
    .sandbox_ended = on_sandbox_ended,
    .manager_changed = on_manager_changed,
    .template_changed = on_template_changed,
};

/* --- life --- */

static const char objects_xml[] =
    "<node><interface name='" OBJECTS_INTERFACE "'>"
    "<method name='GetManagedObjects'>"
    "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
    "<signal name='InterfacesAdded'><arg name='object' type='o'/>"
    "<arg name='interfaces' type='a{sa{sv}}'/></signal>"
    "<signal name='InterfacesRemoved'><arg name='object' type='o'/>"
    "<arg name='interfaces' type='as'/></signal>"
    "</interface></node>";

static gboolean
register_objects(Server *server, GError **error)
{
    server->objects_info = g_dbus_node_info_new_for_xml(objects_xml, error);
    if (!server->objects_info)
        return FALSE;
    server->manager_id = g_dbus_connection_register_object(
        server->connection, MANAGER_PATH,
        (GDBusInterfaceInfo *)&cloche_org_cloche1_manager_interface, &vtable, server, NULL, error);
    if (server->manager_id == 0)
        return FALSE;
    server->objects_id = g_dbus_connection_register_object(server->connection, MANAGER_PATH,
                                                           server->objects_info->interfaces[0],
                                                           &vtable, server, NULL, error);
    if (server->objects_id == 0)
        return FALSE;
    server->sandboxes_id = g_dbus_connection_register_subtree(
        server->connection, SANDBOX_PATH, &subtree,
        G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, server, NULL, error);
    return server->sandboxes_id != 0;
}

static void
forget_answers(Peer *peer, gpointer data)
{
    peer->viewer.sees_all = peer->may_use = FALSE;
}

static void
on_authority_changed(gpointer data)
{
    Server *server = data;

    peers_foreach(server->peers, forget_answers, NULL);
}

Server *
server_new(GDBusConnection *connection, Core *core, gboolean is_private, GError **error)
{
    Server *server = g_new0(Server, 1);

    server->connection = g_object_ref(connection);
    server->core = core;
    server->is_private = is_private;
    server->peers = peers_new(connection);
    if (!is_private)
        server->authority = authority_new(on_authority_changed, server);
    core_set_events(core, &events, server);
    if (register_objects(server, error))
        return server;
    server_free(server);
    return NULL;
}

void
server_free(Server *server)
{
    if (!server)
        return;
    if (server->manager_id != 0)
        g_dbus_connection_unregister_object(server->connection, server->manager_id);
    if (server->objects_id != 0)
        g_dbus_connection_unregister_object(server->connection, server->objects_id);
    if (server->sandboxes_id != 0)
        g_dbus_connection_unregister_subtree(server->connection, server->sandboxes_id);
    g_clear_pointer(&server->objects_info, g_dbus_node_info_unref);
    peers_free(server->peers);
    authority_free(server->authority);
    g_object_unref(server->connection);
    g_free(server);
}
