/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation: anything that is under way in a sandbox.
 *
 * A run, a task, an execution, a process, a transfer and a stream of code have one each, from the
 * request until nothing of it is under way any more. It charges a user with a process for that
 * time. The sandbox lists it. It may outlive the sandbox: a reader may still have to take data
 * that the guest sent before.
 */
#pragma once

#include "sandbox.h"

typedef struct Operation Operation;

typedef struct {
    /* Its caller left, or operation_cancel() was called. May end the operation; or NULL. */
    void (*cancelled)(gpointer data);
    /* The core is being freed. Must end the operation. NULL: it ends with its sandbox. */
    void (*abandoned)(gpointer data);
} OperationEvents;

/* Begins an operation of the sandbox, and charges its owner. When `caller` (or NULL) is cancelled,
 * the operation is cancelled. NULL with CLOCHE_ERROR_QUOTA_EXCEEDED. */
Operation *operation_begin(Sandbox *sandbox, GCancellable *caller, GError **error);
/* The same before there is a sandbox; operation_enter() follows when there is one. */
Operation *operation_begin_outside(Core *core, guint32 owner, GCancellable *caller, GError **error);
void operation_enter(Operation *operation, Sandbox *sandbox);
/* Begins an operation that the guest is already executing, and holds these bytes, even beyond the
 * owner's limits. */
Operation *operation_adopt(Sandbox *sandbox, gsize bytes);
/* Charges the owner with the memory of what the guest is sent, or of a process's arguments, until
 * the operation ends. FALSE with CLOCHE_ERROR_QUOTA_EXCEEDED. */
gboolean operation_hold(Operation *operation, gsize bytes, GError **error);
/* The owner's budget, for what the guest sends; owned by the core. */
Budget *operation_budget(const Operation *operation);
/* Sets what is called, at once when the operation is already cancelled. */
void operation_watch(Operation *operation, const OperationEvents *events, gpointer data);

/* Is cancelled with the operation; owned by it. */
GCancellable *operation_cancellable(const Operation *operation);
/* NULL: there is none yet, or it has ended. */
Sandbox *operation_sandbox(const Operation *operation);

void operation_cancel(Operation *operation);
/* The one end: releases the charge, and frees the operation. NULL is fine. */
void operation_end(Operation *operation);

/* The sandbox is going away: operations that outlive it forget it. */
void operations_leave(Sandbox *sandbox);
/* Ends the operations that outlived their sandboxes. */
void operations_abandon(Core *core);
