/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call: one method call, from the guard to its answer. */
#include "call.h"

#include "error.h"

Call *
call_new(Server *server, Core *core, GDBusMethodInvocation *invocation, Peer *peer,
         const Method *method)
{
    Call *call = g_new0(Call, 1);

    call->server = server;
    call->core = core;
    call->invocation = invocation;
    call->peer = peer_ref(peer);
    call->viewer = peer->viewer;
    call->method = method;
    return call;
}

void
call_free(Call *call)
{
    peer_unref(call->peer);
    g_clear_pointer(&call->options, g_variant_unref);
    g_free(call->new_sandbox.name);
    g_strfreev(call->new_sandbox.request.metadata);
    g_strfreev(call->new_sandbox.request.environment);
    g_strfreev(call->question.details);
    g_free(call);
}

/* --- answers --- */

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

void
call_refuse(GDBusMethodInvocation *invocation, GError *error)
{
    g_autofree char *name = cloche_error_dbus_name(error);

    g_dbus_method_invocation_return_dbus_error(invocation, name, error->message);
    g_error_free(error);
}

void
call_fail(Call *call, GError *error)
{
    call_refuse(call->invocation, error);
    call_free(call);
}

/* --- arguments --- */

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

char *
call_unpack_path(Call *call, GVariant *parameters)
{
    const char *argument;
    char *path;
    GError *error = NULL;

    g_variant_get_child(parameters, 0, "&s", &argument);
    path = options_path("path", argument, call->options, "path-bytes", &error);
    if (!path)
        call_fail(call, error);
    return path;
}

gboolean
call_unpack_timeout(Call *call, guint64 *ret_ms, GError **error)
{
    guint64 timeout_s;

    if (!g_variant_lookup(call->options, "timeout", "t", &timeout_s))
        return TRUE;
    if (!core_check_timeout(call->core, timeout_s, error))
        return FALSE;
    *ret_ms = timeout_s * 1000;
    return TRUE;
}
