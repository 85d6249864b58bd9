/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer: a task in the guest that feeds, or is fed by, a caller's descriptor.
 *
 * With a descriptor that was given away, nothing more is to be told of it: its end is the end of
 * the task, and the other way round. The core holds all that are under way, for its own end.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core-private.h"
#include "error.h"
#include "guest-error.h"
#include "process.h"

typedef struct {
    Core *core;
    guint32 owner;
    char *path;
    gboolean is_awaited, is_builtin;
    GuestProcess *guest;
    GTask *task; /* NULL: it was told */
    GCancellable *left;
    gulong left_handler;
} Transfer;

void
transfer_free(gpointer data)
{
    Transfer *transfer = data;

    if (transfer->left_handler != 0)
        g_signal_handler_disconnect(transfer->left, transfer->left_handler);
    g_clear_object(&transfer->left);
    if (transfer->task)
        g_task_return_new_error(transfer->task, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                                "The service stops, or is started anew: call again");
    g_clear_object(&transfer->task);
    guest_process_free(transfer->guest);
    core_end_process(transfer->core, transfer->owner);
    g_free(transfer->path);
    g_free(transfer);
}

/* The last line that a program wrote to its standard error. */
static char *
last_words(const Transfer *transfer)
{
    g_autofree char *text = guest_process_dup_error_text(transfer->guest);
    char *newline;

    g_strchomp(text);
    newline = strrchr(text, '\n');
    return g_strdup(newline ? newline + 1 : text);
}

static GError *
describe_end(const Transfer *transfer, const GuestExit *how)
{
    g_autofree char *words = NULL;
    int input_error = guest_process_input_error(transfer->guest);

    if (input_error != 0)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                           "The data could not be read to its end: %s", g_strerror(input_error));
    if (how->how == WIRE_EXIT_OUT_OF_MEMORY)
        return guest_error(WIRE_ABOUT_SYSTEM, ENOMEM, "memory");
    if (how->how == WIRE_EXIT_STATUS && how->status == 0)
        return NULL;
    if (how->how == WIRE_EXIT_STATUS && transfer->is_builtin && how->status == EPIPE)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                           "size: not so many bytes came; nothing was changed");
    if (how->how == WIRE_EXIT_STATUS && transfer->is_builtin)
        return guest_error(WIRE_ABOUT_FILE, how->status, transfer->path);
    words = last_words(transfer);
    return g_error_new(CLOCHE_ERROR,
                       strstr(words, "No space left") ? CLOCHE_ERROR_OUT_OF_RESOURCES
                                                      : CLOCHE_ERROR_FAILED,
                       "'%s': %s", transfer->path, *words ? words : "it was killed");
}

static void
finish(Transfer *transfer, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&transfer->task);

    if (task && error)
        g_task_return_error(task, error);
    else if (task)
        g_task_return_int(task, (gssize)guest_process_input_size(transfer->guest));
    else
        g_clear_error(&error);
}

static void
on_started(GuestProcess *guest, gpointer data)
{
    Transfer *transfer = data;

    if (!transfer->is_awaited)
        finish(transfer, NULL);
}

static void
on_ended(GuestProcess *guest, const GuestExit *how, const GError *error, gpointer data)
{
    Transfer *transfer = data;

    finish(transfer, error ? g_error_copy(error) : describe_end(transfer, how));
}

static void
on_over(GuestProcess *guest, gpointer data)
{
    Transfer *transfer = data;

    g_hash_table_remove(transfer->core->transfers, transfer);
}

static const GuestProcessEvents events = {on_started, on_ended, on_over};

static void
on_left(GCancellable *left, gpointer data)
{
    Transfer *transfer = data;

    guest_process_kill(transfer->guest);
}

static void
close_fds(const TransferRequest *request)
{
    if (request->input >= 0)
        close(request->input);
    if (request->output >= 0)
        close(request->output);
}

static void
connect_fds(Transfer *transfer, const TransferRequest *request)
{
    if (request->input >= 0)
        guest_process_connect_input(transfer->guest, request->input);
    if (request->output >= 0)
        guest_process_connect_output(transfer->guest, WIRE_STDOUT, request->output);
}

void
core_transfer_async(Core *core, Sandbox *sandbox, const TransferRequest *request,
                    GCancellable *left, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    gboolean is_complete_stream = request->output_is_complete_stream || request->is_awaited;
    GError *error = NULL;
    Transfer *transfer;

    if (!core_begin_process(core, sandbox->owner, &error)) {
        close_fds(request);
        g_task_return_error(task, error);
        return;
    }
    transfer = g_new0(Transfer, 1);
    transfer->core = core;
    transfer->owner = sandbox->owner;
    transfer->path = g_strdup(request->path);
    transfer->is_awaited = request->is_awaited;
    transfer->is_builtin = (request->start.flags & START_BUILTIN) != 0;
    transfer->guest =
        guest_process_start(instance_link(sandbox->instance), &request->start,
                            is_complete_stream ? GUEST_PROCESS_COMPLETE : GUEST_PROCESS_ORDINARY,
                            &events, transfer, &error);
    if (!transfer->guest) {
        close_fds(request);
        transfer_free(transfer);
        g_task_return_error(task, error);
        return;
    }
    g_hash_table_add(core->transfers, transfer);
    transfer->task = g_steal_pointer(&task);
    connect_fds(transfer, request);
    if (!request->is_awaited)
        return;
    transfer->left = g_object_ref(left);
    transfer->left_handler = g_signal_connect(left, "cancelled", G_CALLBACK(on_left), transfer);
}

gboolean
core_transfer_finish(GAsyncResult *result, guint64 *ret_size, GError **error)
{
    GError *problem = NULL;
    gssize size = g_task_propagate_int(G_TASK(result), &problem);

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    *ret_size = (guint64)size;
    return TRUE;
}
