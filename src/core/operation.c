/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* operation: anything that is under way in a sandbox. */
#include "operation.h"

#include "account.h"
#include "core-private.h"
#include "error.h"

struct Operation {
    Core *core;
    Sandbox *sandbox;
    guint32 owner;
    gsize held; /* bytes of the owner's budget */
    GCancellable *cancellable;
    GCancellable *caller; /* NULL: nobody who could leave */
    gulong caller_handler;
    const OperationEvents *events; /* NULL: nobody is notified */
    gpointer data;
    GList in_core, in_sandbox; /* links of the two queues */
};

static const QuotaAmounts one_process = {{[QUOTA_PROCESSES] = 1}};

static void
on_caller_left(GCancellable *caller, gpointer data)
{
    operation_cancel(data);
}

static Operation *
operation_new(Core *core, guint32 owner, GCancellable *caller)
{
    Operation *operation = g_new0(Operation, 1);

    operation->core = core;
    operation->owner = owner;
    operation->cancellable = g_cancellable_new();
    operation->in_core.data = operation->in_sandbox.data = operation;
    g_queue_push_tail_link(&core->operations, &operation->in_core);
    if (!caller)
        return operation;
    operation->caller = g_object_ref(caller);
    operation->caller_handler =
        g_signal_connect(caller, "cancelled", G_CALLBACK(on_caller_left), operation);
    if (g_cancellable_is_cancelled(caller))
        g_cancellable_cancel(operation->cancellable);
    return operation;
}

Operation *
operation_begin_outside(Core *core, guint32 owner, GCancellable *caller, GError **error)
{
    if (!account_charge(core->quota, owner, &one_process, error))
        return NULL;
    return operation_new(core, owner, caller);
}

void
operation_enter(Operation *operation, Sandbox *sandbox)
{
    operation->sandbox = sandbox;
    g_queue_push_tail_link(&sandbox->operations, &operation->in_sandbox);
}

Operation *
operation_begin(Sandbox *sandbox, GCancellable *caller, GError **error)
{
    Operation *operation = operation_begin_outside(sandbox->core, sandbox->owner, caller, error);

    if (operation)
        operation_enter(operation, sandbox);
    return operation;
}

Operation *
operation_adopt(Sandbox *sandbox, gsize bytes)
{
    Operation *operation;

    quota_charge_anyway(sandbox->core->quota, sandbox->owner, &one_process);
    operation = operation_new(sandbox->core, sandbox->owner, /* caller= */ NULL);
    operation_enter(operation, sandbox);
    operation->held = bytes;
    budget_take_anyway(operation_budget(operation), bytes);
    return operation;
}

Budget *
operation_budget(const Operation *operation)
{
    return quota_buffers(operation->core->quota, operation->owner);
}

gboolean
operation_hold(Operation *operation, gsize bytes, GError **error)
{
    if (!quota_take_buffers(operation->core->quota, operation->owner, bytes, error))
        return FALSE;
    operation->held += bytes;
    return TRUE;
}

void
operation_watch(Operation *operation, const OperationEvents *events, gpointer data)
{
    operation->events = events;
    operation->data = data;
    if (events->cancelled && g_cancellable_is_cancelled(operation->cancellable))
        events->cancelled(data);
}

GCancellable *
operation_cancellable(const Operation *operation)
{
    return operation->cancellable;
}

Sandbox *
operation_sandbox(const Operation *operation)
{
    return operation->sandbox;
}

void
operation_cancel(Operation *operation)
{
    const OperationEvents *events = operation->events;
    gpointer data = operation->data;

    if (g_cancellable_is_cancelled(operation->cancellable))
        return;
    /* May end the operation, unless that has the event `cancelled`. */
    g_cancellable_cancel(operation->cancellable);
    if (events && events->cancelled)
        events->cancelled(data);
}

static void
leave_sandbox(Operation *operation)
{
    if (operation->sandbox)
        g_queue_unlink(&operation->sandbox->operations, &operation->in_sandbox);
    operation->sandbox = NULL;
}

void
operation_end(Operation *operation)
{
    if (!operation)
        return;
    leave_sandbox(operation);
    g_queue_unlink(&operation->core->operations, &operation->in_core);
    quota_release(operation->core->quota, operation->owner, &one_process);
    budget_give_back(operation_budget(operation), operation->held);
    if (operation->caller)
        g_signal_handler_disconnect(operation->caller, operation->caller_handler);
    g_clear_object(&operation->caller);
    g_object_unref(operation->cancellable);
    g_free(operation);
}

void
operations_leave(Sandbox *sandbox)
{
    while (sandbox->operations.head)
        leave_sandbox(sandbox->operations.head->data);
}

void
operations_abandon(Core *core)
{
    while (core->operations.head) {
        Operation *operation = core->operations.head->data;

        if (operation->events && operation->events->abandoned) {
            operation->events->abandoned(operation->data);
            continue;
        }
        /* Its end was due after the main loop has ended. */
        g_warning("An operation of user %u has not ended", operation->owner);
        operation_end(operation);
    }
}
