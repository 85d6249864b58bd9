/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server: cloche's objects on a bus. */
#include "dispatch.h"
#include "interfaces.h"
#include "reply.h"

/* GDBus calls this in the main loop and needs the result at once, before the caller's uid may be
 * known. So it lists nothing: an object at SANDBOX_PATH lists sandboxes (introspectable_xml), and
 * Start() and ListProcesses() report processes. */
static char **
enumerate_none(GDBusConnection *connection, const char *sender, const char *path, gpointer data)
{
    return g_new0(char *, 1);
}

/* --- the objects below SANDBOX_PATH --- */

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

static const GDBusSubtreeVTable subtree = {enumerate_none, introspect, dispatch, {0}};

/* --- the objects below PROCESS_PATH --- */

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

/* Of SANDBOX_PATH: the list of sandboxes depends on the caller. */
static const char introspectable_xml[] =
    "<node><interface name='" INTROSPECTABLE_INTERFACE "'>"
    "<method name='Introspect'><arg name='xml_data' type='s' direction='out'/></method>"
    "</interface></node>";

/* Returns the id of the registration; 0 with an error. */
static guint
register_xml(Server *server, const char *path, const char *xml, GError **error)
{
    g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(xml, error);

    if (!info)
        return 0;
    return g_dbus_connection_register_object(server->connection, path, info->interfaces[0],
                                             &dispatch_object_vtable, server, NULL, error);
}

static gboolean
register_objects(Server *server, GError **error)
{
    server->manager_id = g_dbus_connection_register_object(
        server->connection, MANAGER_PATH,
        (GDBusInterfaceInfo *)&cloche_org_cloche1_manager_interface, &dispatch_object_vtable,
        server, NULL, error);
    if (server->manager_id == 0)
        return FALSE;
    server->objects_id = register_xml(server, MANAGER_PATH, objects_xml, error);
    if (server->objects_id == 0)
        return FALSE;
    server->introspectable_id = register_xml(server, SANDBOX_PATH, introspectable_xml, error);
    if (server->introspectable_id == 0)
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

static void
on_written(gpointer data)
{
    turns_resume(((Server *)data)->turns);
}

static void
on_window_opened(gpointer data)
{
    Server *server = data;

    turns_resume(server->turns);
    intake_resume(server->intake);
}

Server *
server_new(GDBusConnection *connection, Core *core, gboolean is_private, GError **error)
{
    Server *server = g_new0(Server, 1);

    server->connection = g_object_ref(connection);
    server->core = core;
    server->is_private = is_private;
    server->peers = peers_new(connection);
    server->windows = windows_new(connection, is_private, on_window_opened, server);
    server->intake = intake_new(connection, server->peers, server->windows, on_written, server);
    server->turns = turns_new(&dispatch_turns, server);
    server->lasting = g_hash_table_new(NULL, NULL);
    server->asking = g_hash_table_new(NULL, NULL);
    server->late = g_hash_table_new(NULL, NULL);
    if (!is_private)
        server->authority = authority_new(connection, on_authority_changed, server);
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
    if (server->introspectable_id != 0)
        g_dbus_connection_unregister_object(server->connection, server->introspectable_id);
    if (server->sandboxes_id != 0)
        g_dbus_connection_unregister_subtree(server->connection, server->sandboxes_id);
    if (server->processes_id != 0)
        g_dbus_connection_unregister_subtree(server->connection, server->processes_id);
    server->is_stopping = TRUE;
    turns_free(server->turns);
    dispatch_stop(server); /* without waiting for dialogs */
    windows_stop(server->windows);
    intake_free(server->intake);
    windows_unref(server->windows); /* calls that end later hold references */
    g_hash_table_unref(server->lasting);
    g_hash_table_unref(server->asking);
    g_hash_table_unref(server->late);
    peers_free(server->peers);
    authority_free(server->authority);
    g_object_unref(server->connection);
    g_free(server);
}
