/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dispatch: the way of a call from the bus to its handler.
 *
 * The options are checked before polkit is asked: nobody has to answer a dialog for a call that
 * cannot succeed, and the check reveals nothing about objects.
 */
#include "dispatch.h"

#include <unistd.h>

#include "error.h"
#include "guard.h"
#include "reply.h"

static const char *
path_of(const Call *call)
{
    return g_dbus_method_invocation_get_object_path(call->invocation);
}

static GVariant *
parameters_of(const Call *call)
{
    return g_dbus_method_invocation_get_parameters(call->invocation);
}

/* Finds the sandbox and the process of the object that is called. */
static gboolean
find_object(Call *call, GError **error)
{
    guint32 number;
    g_autofree char *id = guard_object_id(path_of(call), &number);

    if (!id)
        return TRUE; /* the manager */
    call->sandbox = core_find(call->core, &call->viewer, id, error);
    if (!call->sandbox || g_str_has_prefix(path_of(call), SANDBOX_PATH "/"))
        return call->sandbox != NULL;
    call->process = core_find_process(call->sandbox, number, error);
    return call->process != NULL;
}

static void
handle(Call *call)
{
    GError *error = NULL;

    if (find_object(call, &error))
        call->method->handle(call, parameters_of(call));
    else
        call_fail(call, error);
}

/* --- permission --- */

/* A caller who may not manage others learns only that they have no such sandbox. */
static gboolean
hides_refusal(const Call *call, const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED) && !call->asks_own &&
           (!g_str_equal(path_of(call), MANAGER_PATH) || call->method->access == ACCESS_NAMED);
}

static void
on_permitted(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GError) error = NULL;
    gboolean is_permitted = authority_ask_finish(result, &error);

    if (!call->invocation) { /* dispatch_stop() has answered it */
        call_free(call);
        return;
    }
    g_hash_table_remove(call->server->asking, call);
    if (is_permitted)
        guard_remember(call);
    if (is_permitted || hides_refusal(call, error))
        handle(call);
    else
        call_fail(call, g_steal_pointer(&error));
}

static gboolean
allows_interaction(const Call *call)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(call->invocation);

    return (g_dbus_message_get_flags(message) &
            G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
}

/* On a user's own bus, and for root, nothing has to be permitted. */
static gboolean
needs_permission(Call *call)
{
    if (!call->server->authority || call->viewer.uid == 0)
        return FALSE;
    call->question = guard_ask(call, path_of(call), parameters_of(call));
    if (!call->question.action)
        return FALSE;
    call->asks_own = guard_is_about_own(&call->question);
    return TRUE;
}

/* --- arrival --- */

static gboolean
unpack(Call *call, GError **error)
{
    const Method *method = call->method;
    GVariant *parameters = parameters_of(call);

    if (!method->options)
        return TRUE;
    call->options = g_variant_get_child_value(parameters, g_variant_n_children(parameters) - 1);
    return options_check(call->options, method->options, error) &&
           (!method->unpack || method->unpack(call, error));
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

/* NULL: the invocation was answered. `peer` NULL: the caller has left. */
static Call *
accept(Server *server, GDBusMethodInvocation *invocation, Peer *peer)
{
    const char *interface = g_dbus_method_invocation_get_interface_name(invocation);
    const char *name = g_dbus_method_invocation_get_method_name(invocation);
    const Method *method = guard_find(interface, name);
    GError *error = NULL;
    Call *call;

    if (!peer || !is_served(server, peer) || !method || method->access == ACCESS_NOBODY) {
        call_refuse(invocation, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                                            "You may not call %s.%s", interface, name));
        return NULL;
    }
    call = call_new(server, server->core, invocation, peer, method);
    if (unpack(call, &error))
        return call;
    call_fail(call, error);
    return NULL;
}

static void
begin(Server *server, GDBusMethodInvocation *invocation, Peer *peer)
{
    Call *call = accept(server, invocation, peer);

    if (!call)
        return;
    if (!needs_permission(call)) {
        handle(call);
        return;
    }
    g_hash_table_add(server->asking, call);
    authority_ask_async(server->authority, call->peer, call->question.action,
                        (const char *const *)call->question.details, allows_interaction(call),
                        on_permitted, call);
}

typedef struct {
    Server *server;
    GDBusMethodInvocation *invocation;
} Arrival;

static void
on_caller_known(Peer *peer, gpointer data)
{
    g_autofree Arrival *arrival = data;

    begin(arrival->server, arrival->invocation, peer);
}

static void
on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    Server *server = data;
    g_autoptr(Peer) peer = peers_ref(server->peers, sender);
    Arrival *arrival;

    if (peer) {
        begin(server, invocation, peer);
        return;
    }
    arrival = g_new0(Arrival, 1);
    arrival->server = server;
    arrival->invocation = invocation;
    peers_find(server->peers, sender, on_caller_known, arrival);
}

/* Without get_property, GDBus gives calls of Properties to on_call() like all others. */
const GDBusInterfaceVTable dispatch_vtable = {.method_call = on_call};

void
dispatch_stop(Server *server)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, server->asking);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        Call *call = key;

        call_refuse(g_steal_pointer(&call->invocation),
                    g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                                "The service is stopping or restarting: call again"));
    }
    g_hash_table_remove_all(server->asking);
}
