/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server: cloche's objects on a bus. */
#include "dispatch.h"
#include "interfaces.h"
#include "reply.h"

/* --- the objects below SANDBOX_PATH --- */

/* Blocks until the bus answers, because GDBus needs the answer at once. This happens only when a
 * client that never called before introspects objects. */
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

/* Returns the same for every name, so that the answer reveals nothing. */
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
    return node && g_str_equal(interface, SANDBOX_INTERFACE) ? &dispatch_vtable : NULL;
}

static const GDBusSubtreeVTable subtree = {enumerate, introspect, dispatch, {0}};

/* --- the objects below PROCESS_PATH: only Start() and ListProcesses() report them --- */

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
    return node && g_str_equal(interface, PROCESS_INTERFACE) ? &dispatch_vtable : NULL;
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
        (GDBusInterfaceInfo *)&cloche_org_cloche1_manager_interface, &dispatch_vtable, server, NULL,
        error);
    if (server->manager_id == 0)
        return FALSE;
    server->objects_id = g_dbus_connection_register_object(server->connection, MANAGER_PATH,
                                                           server->objects_info->interfaces[0],
                                                           &dispatch_vtable, server, NULL, error);
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
    if (!is_private)
        server->authority = authority_new(on_authority_changed, server);
    core_set_events(core, &server_events, server);
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
    if (server->processes_id != 0)
        g_dbus_connection_unregister_subtree(server->connection, server->processes_id);
    g_clear_pointer(&server->objects_info, g_dbus_node_info_unref);
    dispatch_stop(server); /* without waiting for dialogs */
    g_hash_table_unref(server->asking);
    peers_free(server->peers);
    authority_free(server->authority);
    g_object_unref(server->connection);
    g_free(server);
}
