/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settle: calls that wait until the machine of a sandbox has been adopted, or runs after a pause.
 *
 * The service takes its bus name as soon as it has read the records, so that a machine that does
 * not answer delays nobody but the users of its own sandbox.
 */
#include "settle.h"

#include "core-private.h"
#include "error.h"

typedef struct {
    Core *core;
    char *id;
    guint timer;
} Waiter;

static void
waiter_free(gpointer data)
{
    Waiter *waiter = data;

    g_clear_handle_id(&waiter->timer, g_source_remove);
    g_free(waiter->id);
    g_free(waiter);
}

gboolean
core_is_settled(const Sandbox *sandbox)
{
    if (sandbox->state == SANDBOX_PAUSED)
        return sandbox->instance != NULL;
    return sandbox->state != SANDBOX_ADOPTING && !sandbox->is_waking && !sandbox->is_unheard &&
           !sandbox->is_beginning;
}

/* Takes the error (NULL: the call goes on). */
static void
finish(GTask *task, GError *error)
{
    Waiter *waiter = g_task_get_task_data(task);

    g_clear_handle_id(&waiter->timer, g_source_remove);
    g_queue_remove(&waiter->core->settling, task);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static gboolean
on_timeout(gpointer data)
{
    Waiter *waiter = g_task_get_task_data(data);

    waiter->timer = 0;
    finish(data,
           g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                       "The machine of sandbox '%s' has not answered yet; try again", waiter->id));
    return G_SOURCE_REMOVE;
}

static guint
count_waiters(const Core *core, const char *id)
{
    guint count = 0;

    for (GList *l = core->settling.head; l; l = l->next)
        count += g_str_equal(((const Waiter *)g_task_get_task_data(l->data))->id, id);
    return count;
}

void
core_settle_async(Core *core, const char *id, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Waiter *waiter;

    if (count_waiters(core, id) >= SETTLE_CALLS_MAX) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                "%d calls wait for the machine of sandbox '%s' already; try again",
                                SETTLE_CALLS_MAX, id);
        g_object_unref(task);
        return;
    }
    waiter = g_new0(Waiter, 1);
    waiter->core = core;
    waiter->id = g_strdup(id);
    waiter->timer = g_timeout_add_seconds(SETTLE_WAIT_S, on_timeout, task);
    g_task_set_task_data(task, waiter, waiter_free);
    g_queue_push_tail(&core->settling, task);
}

gboolean
core_settle_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
settle_wake(Core *core, const char *id)
{
    GList *next;

    for (GList *l = core->settling.head; l; l = next) {
        next = l->next;
        if (g_str_equal(((const Waiter *)g_task_get_task_data(l->data))->id, id))
            finish(l->data, NULL);
    }
}
