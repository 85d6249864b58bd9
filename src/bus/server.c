/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server: cloche's objects on a bus, and the way of a call from there to its handler. */
#include "server-private.h"

#include <unistd.h>

#include "call.h"
#include "code-stream.h"
#include "error.h"
#include "interfaces.h"
#include "reply.h"

/* --- calls --- */

static void
call_free(Call *call)
{
    peer_unref(call->peer);
    guard_question_clear(&call->question);
    g_free(call->id);
    g_free(call);
}

void
call_answer(Call *call, GVariant *value)
{
    g_dbus_method_invocation_return_value(call->invocation, value);
    call_free(call);
}

void
call_answer_with_fds(Call *call, GVariant *value, GUnixFDList *fds)
{
    g_dbus_method_invocation_return_value_with_unix_fd_list(call->invocation, value, fds);
    g_object_unref(fds);
    call_free(call);
}

int
call_dup_fd(Call *call, int index, GError **error)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(call->invocation);
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);

    if (fds && index >= 0 && index < g_unix_fd_list_get_length(fds))
        return g_unix_fd_list_get(fds, index, error);
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                        "the descriptor did not come with the call");
    return -1;
}

/* Errors of other domains (files, GDBus) are faults of the service: Failed, with their message. */
static void
return_error(GDBusMethodInvocation *invocation, GError *error)
{
    g_autofree char *name = reply_error_name(error);

    g_dbus_method_invocation_return_dbus_error(invocation, name, error->message);
    g_error_free(error);
}

void
call_fail(Call *call, GError *error)
{
    return_error(call->invocation, error);
    call_free(call);
}

/* Sandbox and process of the object that is called; TRUE with NULL for the manager's. */
static gboolean
find_object(Call *call, GError **error)
{
    const char *path = g_dbus_method_invocation_get_object_path(call->invocation);
    guint32 number;

    call->id = guard_object_id(path, &number);
    if (!call->id)
        return TRUE;
    call->sandbox = core_find(call->core, &call->viewer, call->id, error);
    if (!call->sandbox || g_str_has_prefix(path, SANDBOX_PATH "/"))
        return call->sandbox != NULL;
    call->process = core_find_process(call->sandbox, number, error);
    return call->process != NULL;
}

static void
handle(Call *call)
{
    GError *error = NULL;

    if (find_object(call, &error))
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
           (!g_str_equal(path, MANAGER_PATH) || call->method->access == ACCESS_NAMED);
}

static void
on_permitted(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    gboolean is_permitted = authority_ask_finish(result, &error);

    if (!call->invocation) { /* the server is gone, and has answered */
        g_clear_error(&error);
        call_free(call);
        return;
    }
    g_hash_table_remove(call->server->asking, call);
    if (is_permitted) {
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
    g_hash_table_add(call->server->asking, call);
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
    const Peer *peer = peers_lookup(server->peers, sender);
    Viewer viewer = peer ? peer->viewer : (Viewer){0};

    if (peer || ask_uid(connection, sender, &viewer.uid))
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

/* --- the objects below PROCESS_PATH: they are found by Start() and ListProcesses() only --- */

static char **
enumerate_none(GDBusConnection *connection, const char *sender, const char *path, gpointer data)
{
    return g_new0(char *, 1);
}

static GDBusInterfaceInfo **
introspect_process(GDBusConnection *connection, const char *sender, const char *path,
                   const char *node, gpointer data)
{
    GDBusInterfaceInfo **interfaces;

    if (!node)
        return NULL;
    interfaces = g_new0(GDBusInterfaceInfo *, 2);
    interfaces[0] =
        g_dbus_interface_info_ref((GDBusInterfaceInfo *)&cloche_org_cloche1_process_interface);
    return interfaces;
}

static const GDBusInterfaceVTable *
dispatch_process(GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *node, gpointer *ret_data, gpointer data)
{
    *ret_data = data;
    return node && g_str_equal(interface, PROCESS_INTERFACE) ? &vtable : NULL;
}

static const GDBusSubtreeVTable process_subtree = {
    enumerate_none, introspect_process, dispatch_process, {0}};

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
    if (server->sandboxes_id == 0)
        return FALSE;
    server->processes_id = g_dbus_connection_register_subtree(
        server->connection, PROCESS_PATH, &process_subtree,
        G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, server, NULL, error);
    return server->processes_id != 0;
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
    server->asking = g_hash_table_new(NULL, NULL);
    server->streams = g_hash_table_new_full(NULL, NULL, code_stream_free, NULL);
    if (!is_private)
        server->authority = authority_new(on_authority_changed, server);
    core_set_events(core, &server_events, server);
    if (register_objects(server, error))
        return server;
    server_free(server);
    return NULL;
}

/* A dialog is not waited for. */
static void
answer_asking(Server *server)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, server->asking);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        Call *call = key;

        return_error(g_steal_pointer(&call->invocation),
                     g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                                 "The service stops, or is started anew: call again"));
    }
    g_hash_table_unref(server->asking);
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
    if (server->processes_id != 0)
        g_dbus_connection_unregister_subtree(server->connection, server->processes_id);
    g_clear_pointer(&server->objects_info, g_dbus_node_info_unref);
    answer_asking(server);
    g_hash_table_unref(server->streams);
    peers_free(server->peers);
    authority_free(server->authority);
    g_object_unref(server->connection);
    g_free(server);
}
