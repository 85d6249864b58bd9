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

#define STOPPING "The service is stopping or restarting: call again"

static gboolean
is_process(const Call *call)
{
    return g_str_has_prefix(call->path, PROCESS_PATH "/");
}

/* Finds the sandbox of the object that is called. */
static gboolean
find_sandbox(Call *call, guint32 *ret_process, GError **error)
{
    g_autofree char *id = guard_object_id(call->path, ret_process);

    if (!id)
        return TRUE; /* the manager */
    call->sandbox = core_find(call->core, &call->viewer, id, error);
    return call->sandbox != NULL;
}

static gboolean
find_process(Call *call, guint32 number, GError **error)
{
    if (!is_process(call))
        return TRUE;
    call->process = core_find_process(call->sandbox, number, error);
    return call->process != NULL;
}

/* After a restart of the service, the agent reports which processes there are. */
static gboolean
must_wait(const Call *call)
{
    return call->sandbox && (!call->method->without_machine || is_process(call)) &&
           !core_is_settled(call->sandbox);
}

/* Whether the call needs a sandbox that runs, and this one is paused. */
static gboolean
is_paused(const Call *call)
{
    return call->sandbox && call->sandbox->state == SANDBOX_PAUSED &&
           !call->method->without_machine && !call->method->is_for_paused;
}

static void on_settled(GObject *source, GAsyncResult *result, gpointer data);
static void on_resumed(GObject *source, GAsyncResult *result, gpointer data);

static void
handle(Call *call)
{
    GError *error = NULL;
    guint32 number;

    if (!find_sandbox(call, &number, &error)) {
        call_fail(call, error);
    } else if (is_paused(call) && !call->sandbox->resumes_for_calls) {
        lifespan_set_paused(call->sandbox, &error);
        call_fail(call, error);
    } else if (must_wait(call)) {
        g_hash_table_add(call->server->asking, call);
        core_settle_async(call->core, call->sandbox->id, on_settled, call);
    } else if (is_paused(call)) {
        g_hash_table_add(call->server->asking, call);
        core_resume_async(call->core, call->sandbox, /* timeout_s= */ 0, on_resumed, call);
    } else if (find_process(call, number, &error)) {
        call_handle(call, call->server->lasting);
    } else {
        call_fail(call, error);
    }
}

/* Takes the error (NULL: the call goes on). */
static void
handle_again(Call *call, GError *error)
{
    if (call->is_answered) { /* by dispatch_stop() */
        g_clear_error(&error);
        call_free(call);
        return;
    }
    g_hash_table_remove(call->server->asking, call);
    if (error)
        call_fail(call, error);
    else
        handle(call);
}

static void
on_settled(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    core_settle_finish(result, &error);
    handle_again(data, error);
}

static void
on_resumed(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    core_resume_finish(result, &error);
    handle_again(data, error);
}

/* --- permission --- */

/* A caller who may not manage others learns only that they have no such sandbox. */
static gboolean
hides_refusal(const Call *call, const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED) && !call->asks_own &&
           (!g_str_equal(call->path, MANAGER_PATH) || call->method->access == ACCESS_NAMED ||
            call->method->access == ACCESS_SNAPSHOT);
}

/* On a user's own bus, and for root, nothing has to be permitted. */
static gboolean
needs_permission(Call *call)
{
    if (!call->server->authority || call->viewer.uid == 0)
        return FALSE;
    g_strfreev(call->question.details);
    call->question = guard_ask(call);
    if (!call->question.action)
        return FALSE;
    call->asks_own = guard_is_about_own(&call->question);
    return TRUE;
}

static void on_permitted(GObject *source, GAsyncResult *result, gpointer data);

static void
ask(Call *call)
{
    g_hash_table_add(call->server->asking, call);
    authority_ask_async(call->server->authority, call->peer, call->question.action,
                        (const char *const *)call->question.details, call->may_ask_user,
                        message_weight(call->parameters, G_MAXSIZE), on_permitted, call);
}

static void
on_permitted(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GError) error = NULL;
    gboolean is_permitted = authority_ask_finish(result, &error);

    if (call->is_answered) { /* by dispatch_stop() */
        call_free(call);
        return;
    }
    g_hash_table_remove(call->server->asking, call);
    if (is_permitted)
        guard_remember(call);
    if (is_permitted && needs_permission(call))
        ask(call);
    else if (is_permitted || hides_refusal(call, error))
        handle(call);
    else
        call_fail(call, g_steal_pointer(&error));
}

/* --- the beginning --- */

static gboolean
unpack(Call *call, GError **error)
{
    const Method *method = call->method;
    GVariant *parameters = call->parameters;

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

static guint
lasting_of(const Server *server, guint32 uid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(server->lasting, GUINT_TO_POINTER(uid)));
}

/* Why nobody may call this method, or not this peer; NULL: they may. */
static GError *
find_refusal(const Server *server, const Peer *peer, const Method *method,
             GDBusMethodInvocation *invocation)
{
    guint32 uid = peer->viewer.uid;

    if (!is_served(server, peer) || !method || method->access == ACCESS_NOBODY)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED, "You may not call %s.%s",
                           g_dbus_method_invocation_get_interface_name(invocation),
                           g_dbus_method_invocation_get_method_name(invocation));
    if (!method->is_short && lasting_of(server, uid) >= DISPATCH_LASTING_MAX)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                           "%u calls of user %u are in progress, and no more may be; wait until "
                           "one of them ends",
                           DISPATCH_LASTING_MAX, uid);
    return NULL;
}

static void
refuse(Server *server, Peer *peer, const MessageAddress *address, GError *error)
{
    if (address->is_expected)
        windows_send(server->windows, peer, message_error(address, error));
    g_error_free(error);
}

/* NULL: the invocation was answered. */
static Call *
accept(Server *server, GDBusMethodInvocation *invocation, Peer *peer)
{
    const Method *method = guard_find(g_dbus_method_invocation_get_interface_name(invocation),
                                      g_dbus_method_invocation_get_method_name(invocation));
    GError *error = find_refusal(server, peer, method, invocation);
    Call *call;

    if (error) {
        const MessageAddress address =
            message_address(peer->name, g_dbus_method_invocation_get_message(invocation));

        refuse(server, peer, &address, error);
        return NULL;
    }
    call = call_new(server, server->core, server->windows, invocation, peer, method);
    if (unpack(call, &error))
        return call;
    call_fail(call, error);
    return NULL;
}

/* The call has what it needs of the invocation, which holds the whole message. */
static void
on_begin(Peer *peer, gpointer object, gpointer data)
{
    g_autoptr(GDBusMethodInvocation) invocation = object;
    Server *server = data;
    Call *call = accept(server, invocation, peer);

    if (!call)
        return;
    if (needs_permission(call))
        ask(call);
    else
        handle(call);
}

static gboolean
may_begin(const Peer *peer, gpointer data)
{
    return windows_is_open(((Server *)data)->windows, peer);
}

static void
on_refused(Peer *peer, guint32 serial, gpointer data)
{
    const MessageAddress address = {.to = peer->name, .serial = serial, .is_expected = TRUE};
    Server *server = data;

    refuse(server, peer, &address,
           server->is_stopping
               ? g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING, STOPPING)
               : g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                             "Too many calls of user %u wait; try again later", peer->viewer.uid));
}

const TurnsEvents dispatch_turns = {may_begin, on_begin, on_refused};

/* --- arrival --- */

typedef struct {
    Server *server;
    GDBusMethodInvocation *invocation;
} Arrival;

/* Takes the invocation. */
static void
wait_for_turn(Server *server, Peer *peer, GDBusMethodInvocation *invocation)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    const MessageAddress address = message_address(peer->name, message);
    const TurnsCall call = {
        .object = invocation,
        .serial = address.serial,
        .is_answered = address.is_expected,
        .fds = message_count_fds(message),
        .size = MESSAGE_WEIGHT +
                message_weight(g_dbus_method_invocation_get_parameters(invocation), G_MAXSIZE),
    };

    if (turns_add(server->turns, peer, &call))
        on_begin(peer, invocation, server);
}

/* `peer` NULL: the caller has left. */
static void
on_caller_known(Peer *peer, gpointer data)
{
    g_autofree Arrival *arrival = data;

    if (peer)
        wait_for_turn(arrival->server, peer, arrival->invocation);
    else
        g_object_unref(arrival->invocation);
}

static Arrival *
arrival_new(Server *server, GDBusMethodInvocation *invocation)
{
    Arrival *arrival = g_new0(Arrival, 1);

    arrival->server = server;
    arrival->invocation = invocation;
    return arrival;
}

static void
arrive(Server *server, GDBusMethodInvocation *invocation)
{
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    g_autoptr(Peer) peer = peers_ref(server->peers, sender);

    if (peer)
        wait_for_turn(server, peer, invocation);
    else
        peers_find(server->peers, sender, on_caller_known, arrival_new(server, invocation));
}

static void
on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    arrive(data, invocation);
}

static gboolean
on_late_call(gpointer data)
{
    g_autofree Arrival *arrival = data;

    if (!arrival->server) { /* it was freed */
        g_object_unref(arrival->invocation);
        return G_SOURCE_REMOVE;
    }
    g_hash_table_remove(arrival->server->late, arrival);
    arrive(arrival->server, arrival->invocation);
    return G_SOURCE_REMOVE;
}

static void
on_object_call(GDBusConnection *connection, const char *sender, const char *path,
               const char *interface, const char *method, GVariant *parameters,
               GDBusMethodInvocation *invocation, gpointer data)
{
    Server *server = data;
    Arrival *arrival = arrival_new(server, invocation);

    g_hash_table_add(server->late, arrival);
    g_idle_add_full(G_PRIORITY_DEFAULT, on_late_call, arrival, /* notify= */ NULL);
}

/* Without get_property, GDBus gives calls of Properties to these functions like all others. */
const GDBusInterfaceVTable dispatch_vtable = {.method_call = on_call};
const GDBusInterfaceVTable dispatch_object_vtable = {.method_call = on_object_call};

void
dispatch_stop(Server *server)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, server->late);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        ((Arrival *)key)->server = NULL;
    g_hash_table_remove_all(server->late);
    g_hash_table_iter_init(&iter, server->asking);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        Call *call = key;

        call->is_answered = TRUE;
        call_refuse(call,
                    g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING, STOPPING));
    }
    g_hash_table_remove_all(server->asking);
}
