/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call: one method call, from the guard to its answer. */
#include "call.h"

#include <errno.h>
#include <fcntl.h>

#include "error.h"
#include "network-options.h"
#include "util.h"

Call *
call_new(Server *server, Core *core, Windows *windows, GDBusMethodInvocation *invocation,
         Peer *peer, const Method *method)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    GDBusMessageFlags flags = g_dbus_message_get_flags(message);
    Call *call = g_new0(Call, 1);

    call->server = server;
    call->core = core;
    call->windows = windows_ref(windows);
    call->peer = peer_ref(peer);
    call->viewer = peer->viewer;
    call->method = method;
    call->address = message_address(peer->name, message);
    call->may_ask_user = (flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
    call->path = g_strdup(g_dbus_method_invocation_get_object_path(invocation));
    call->parameters = g_variant_ref(g_dbus_method_invocation_get_parameters(invocation));
    call->fds = message_ref_fds(message);
    return call;
}

static void
drop_arguments(Call *call)
{
    g_clear_pointer(&call->options, g_variant_unref);
    g_clear_pointer(&call->parameters, g_variant_unref);
    g_clear_pointer(&call->fds, g_array_unref);
    network_options_clear(&call->network);
    g_clear_pointer(&call->new_sandbox.name, g_free);
    g_clear_pointer(&call->new_sandbox.request.metadata, g_strfreev);
    g_clear_pointer(&call->new_sandbox.request.environment, g_strfreev);
}

static void
count_lasting(Call *call, int change)
{
    gpointer uid = GUINT_TO_POINTER(call->viewer.uid);
    int count = GPOINTER_TO_INT(g_hash_table_lookup(call->lasting, uid)) + change;

    if (count > 0)
        g_hash_table_insert(call->lasting, uid, GINT_TO_POINTER(count));
    else
        g_hash_table_remove(call->lasting, uid);
}

void
call_handle(Call *call, GHashTable *lasting)
{
    call->is_handling = TRUE;
    call->method->handle(call, call->parameters);
    call->is_handling = FALSE;
    if (call->is_freed) {
        call_free(call);
        return;
    }
    drop_arguments(call);
    call->lasting = g_hash_table_ref(lasting);
    count_lasting(call, 1);
}

void
call_free(Call *call)
{
    if (call->is_handling) { /* the arguments are still in use */
        call->is_freed = TRUE;
        return;
    }
    drop_arguments(call);
    windows_unref(call->windows);
    peer_unref(call->peer);
    g_free(call->path);
    if (call->lasting) {
        count_lasting(call, -1);
        g_hash_table_unref(call->lasting);
    }
    g_strfreev(call->question.details);
    g_free(call);
}

/* --- answers --- */

/* Takes the answer. */
static void
answer(Call *call, GDBusMessage *message)
{
    if (call->address.is_expected)
        windows_send(call->windows, call->peer, message);
    else
        g_object_unref(message);
}

/* Every answer is measured here. */
static void
answer_measured(Call *call, GVariant *value, GUnixFDList *fds)
{
    GDBusMessage *message = message_answer(&call->address, value, fds);
    gsize size = message_size(message);

    if (size <= MESSAGE_SIZE_MAX) {
        answer(call, message);
        call_free(call);
        return;
    }
    g_object_unref(message);
    call_fail(call, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TOO_LARGE,
                                "the answer of %s has more than %u bytes: ask for less of it",
                                call->method->method, MESSAGE_SIZE_MAX));
}

void
call_answer(Call *call, GVariant *value)
{
    answer_measured(call, value, /* fds= */ NULL);
}

void
call_answer_with_fds(Call *call, GVariant *value, GUnixFDList *fds)
{
    answer_measured(call, value, fds);
    g_object_unref(fds);
}

void
call_refuse(Call *call, GError *error)
{
    answer(call, message_error(&call->address, error));
    g_error_free(error);
}

void
call_fail(Call *call, GError *error)
{
    call_refuse(call, error);
    call_free(call);
}

/* --- arguments --- */

int
call_dup_fd(Call *call, int index, GError **error)
{
    int fd;

    if (!call->fds || index < 0 || (guint)index >= call->fds->len) {
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                            "the descriptor did not come with the call");
        return -1;
    }
    fd = fcntl(g_array_index(call->fds, int, index), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        util_set_errno(error, errno, "Cannot duplicate a descriptor");
    return fd;
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
