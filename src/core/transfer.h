/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer: a task in the guest whose data comes from, or goes to, a descriptor of the caller.
 *
 * Once the caller has the descriptor, nothing more is reported. The stream ends with the task, and
 * the task ends when the caller closes the descriptor. A transfer may outlive its sandbox while the
 * caller reads.
 */
#pragma once

#include <gio/gio.h>

#include "link.h"
#include "operation.h"

typedef struct {
    GuestStart start;
    const char *path; /* that errors name */
} TransferRequest;

/* The task writes to a descriptor that the caller gets. A reader learns whether the data is
 * complete, see guest/complete-stream.h. */
void core_transfer_out_async(Sandbox *sandbox, const TransferRequest *request,
                             GAsyncReadyCallback callback, gpointer data);
/* The task's input and output are one socket, whose other end the caller gets. */
void core_transfer_both_async(Sandbox *sandbox, const TransferRequest *request,
                              GAsyncReadyCallback callback, gpointer data);
/* Finishes both: returns the caller's descriptor, or -1 with an error. */
int core_transfer_fd_finish(GAsyncResult *result, GError **error);

/* The task reads the descriptor `fd` of the caller, which is taken. Finishes when the task has
 * ended; the task is killed when the caller leaves. */
void core_transfer_in_async(Sandbox *sandbox, const TransferRequest *request, int fd,
                            GCancellable *caller, GAsyncReadyCallback callback, gpointer data);
/* Sets how many bytes were taken. */
gboolean core_transfer_in_finish(GAsyncResult *result, guint64 *ret_size, GError **error);
