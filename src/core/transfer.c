/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer: a task in the guest whose data comes from, or goes to, a descriptor of the caller. */
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "complete-stream.h"
#include "error.h"
#include "guest-error.h"
#include "guest-process.h"
#include "stranger.h"
#include "util.h"

typedef struct {
    Operation *operation;
    char *path;
    gboolean is_builtin;
    int callers_end; /* -1: it was given away, or there is none */
    GuestProcess *guest;
    GTask *task;        /* NULL: it was answered */
    Stranger *stranger; /* NULL: no thread reads a caller's descriptor, or it has ended */
} Transfer;

/* Our ends; -1: none. */
typedef struct {
    int input, output;
} Ends;

/* --- the end --- */

static void
transfer_free(Transfer *transfer)
{
    if (transfer->stranger)
        stranger_leave(transfer->stranger);
    g_clear_object(&transfer->task);
    if (transfer->callers_end >= 0)
        close(transfer->callers_end);
    guest_process_free(transfer->guest);
    operation_end(transfer->operation);
    g_free(transfer->path);
    g_free(transfer);
}

/* The operation's owner stays charged while a thread reads the caller's descriptor. */
static void
end_in_guest(Transfer *transfer)
{
    g_clear_pointer(&transfer->guest, guest_process_free);
    if (!transfer->stranger)
        transfer_free(transfer);
}

static void
on_stranger_gone(gpointer data)
{
    Transfer *transfer = data;

    transfer->stranger = NULL;
    if (!transfer->guest)
        transfer_free(transfer);
}

/* The last line that a program wrote to its standard error. */
static char *
last_error_line(const Transfer *transfer)
{
    g_autofree char *text = guest_process_dup_error_text(transfer->guest);
    char *newline;

    g_strchomp(text);
    newline = strrchr(text, '\n');
    return g_strdup(newline ? newline + 1 : text);
}

static GError *
describe_program_failure(const Transfer *transfer)
{
    g_autofree char *line = last_error_line(transfer);

    return g_error_new(CLOCHE_ERROR,
                       strstr(line, "No space left") ? CLOCHE_ERROR_OUT_OF_RESOURCES
                                                     : CLOCHE_ERROR_FAILED,
                       "'%s': %s", transfer->path, *line ? line : "it was killed");
}

static GError *
describe_end(const Transfer *transfer, const GuestExit *how)
{
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
    return describe_program_failure(transfer);
}

/* Answers the caller, once: with the descriptor, or the number of bytes. Takes the error. */
static void
answer(Transfer *transfer, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&transfer->task);

    if (!task)
        g_clear_error(&error);
    else if (error)
        g_task_return_error(task, error);
    else if (transfer->callers_end >= 0)
        g_task_return_int(task, g_steal_fd(&transfer->callers_end));
    else
        g_task_return_int(task, (gssize)guest_process_input_size(transfer->guest));
}

static void
on_started(GuestProcess *guest, gpointer data)
{
    Transfer *transfer = data;

    if (transfer->callers_end >= 0)
        answer(transfer, NULL);
}

static void
on_ended(GuestProcess *guest, const GuestExit *how, const GError *error, gpointer data)
{
    Transfer *transfer = data;

    answer(transfer, error ? g_error_copy(error) : describe_end(transfer, how));
}

static void
on_over(GuestProcess *guest, gpointer data)
{
    end_in_guest(data);
}

static const GuestProcessEvents guest_events = {on_started, on_ended, on_over};

static void
on_cancelled(gpointer data)
{
    Transfer *transfer = data;

    if (transfer->guest)
        guest_process_kill(transfer->guest);
}

static void
on_abandoned(gpointer data)
{
    Transfer *transfer = data;

    answer(transfer, g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                                         "The service is stopping or restarting: call again"));
    transfer_free(transfer);
}

static const OperationEvents operation_events = {on_cancelled, on_abandoned};

/* --- the beginning --- */

static void
close_ends(const Ends *ends)
{
    if (ends->input >= 0)
        close(ends->input);
    if (ends->output >= 0)
        close(ends->output);
}

static gboolean
start_in_guest(Transfer *transfer, Sandbox *sandbox, const GuestStart *start, const Ends *ends,
               gboolean is_complete, GError **error)
{
    transfer->guest =
        guest_process_start(instance_link(sandbox->instance), start,
                            is_complete ? GUEST_PROCESS_COMPLETE : GUEST_PROCESS_ORDINARY,
                            &guest_events, transfer, error);
    if (!transfer->guest)
        return FALSE;
    if (ends->input >= 0)
        guest_process_connect_input(transfer->guest, ends->input);
    if (ends->output >= 0)
        guest_process_connect_output(transfer->guest, WIRE_STDOUT, ends->output);
    return TRUE;
}

static Transfer *
transfer_new(const TransferRequest *request, int callers_end, GTask *task)
{
    Transfer *transfer = g_new0(Transfer, 1);

    transfer->callers_end = callers_end;
    transfer->path = g_strdup(request->path);
    transfer->is_builtin = (request->start.flags & START_BUILTIN) != 0;
    transfer->task = task;
    return transfer;
}

/* Takes `ends`. `is_complete`: the reader learns whether the data is complete. */
static void
begin(Transfer *transfer, Sandbox *sandbox, const TransferRequest *request, const Ends *ends,
      gboolean is_complete, GCancellable *caller)
{
    GError *error = NULL;

    if (!transfer->operation)
        transfer->operation = operation_begin(sandbox, caller, &error);
    if (transfer->operation &&
        start_in_guest(transfer, sandbox, &request->start, ends, is_complete, &error)) {
        operation_watch(transfer->operation, &operation_events, transfer);
        return;
    }
    close_ends(ends);
    answer(transfer, error);
    if (transfer->operation)
        operation_watch(transfer->operation, &operation_events, transfer);
    end_in_guest(transfer);
}

void
core_transfer_out_async(Sandbox *sandbox, const TransferRequest *request,
                        GAsyncReadyCallback callback, gpointer data)
{
    TransferRequest output_only = *request;
    Ends ends = {-1, -1};
    GError *error = NULL;
    int callers_end;

    if (!complete_stream_open(&ends.output, &callers_end, &error)) {
        g_task_report_error(NULL, callback, data, core_transfer_out_async, error);
        return;
    }
    g_unix_set_fd_nonblocking(ends.output, TRUE, NULL);
    output_only.start.flags |= START_NO_STDIN;
    begin(transfer_new(&output_only, callers_end, g_task_new(NULL, NULL, callback, data)), sandbox,
          &output_only, &ends, /* is_complete= */ TRUE, /* caller= */ NULL);
}

void
core_transfer_both_async(Sandbox *sandbox, const TransferRequest *request,
                         GAsyncReadyCallback callback, gpointer data)
{
    GError *error = NULL;
    Ends ends;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        util_set_errno(&error, errno, "Cannot make a socket");
        g_task_report_error(NULL, callback, data, core_transfer_both_async, error);
        return;
    }
    g_unix_set_fd_nonblocking(fds[0], TRUE, NULL);
    ends.output = fds[0];
    ends.input = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    begin(transfer_new(request, fds[1], g_task_new(NULL, NULL, callback, data)), sandbox, request,
          &ends, /* is_complete= */ FALSE, /* caller= */ NULL);
}

int
core_transfer_fd_finish(GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

void
core_transfer_in_async(Sandbox *sandbox, const TransferRequest *request, int fd,
                       GCancellable *caller, GAsyncReadyCallback callback, gpointer data)
{
    Transfer *transfer =
        transfer_new(request, /* callers_end= */ -1, g_task_new(NULL, NULL, callback, data));
    Ends ends = {-1, -1};
    GError *error = NULL;

    /* Charged before there is a thread. */
    transfer->operation = operation_begin(sandbox, caller, &error);
    if (transfer->operation)
        transfer->stranger = stranger_new(fd, &ends.input, on_stranger_gone, transfer, &error);
    else
        closer_close(fd);
    if (transfer->stranger) {
        begin(transfer, sandbox, request, &ends, /* is_complete= */ TRUE, caller);
        return;
    }
    answer(transfer, error);
    transfer_free(transfer);
}

gboolean
core_transfer_in_finish(GAsyncResult *result, guint64 *ret_size, GError **error)
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
