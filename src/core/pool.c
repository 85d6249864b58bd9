/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool: machines of one template that are ready before anyone asks. */
#include "pool.h"

#include "callers.h"

/* Restores in a row that may fail before the callers get the error, and the pauses between them. */
#define FAILURES_MAX 3
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 5000

struct Pool {
    Host *host;
    PoolConfig config;
    Template *template;
    GCancellable *cancellable; /* of all starts */
    GError *stopped;           /* why; NULL: it is not */
    GQueue ready;              /* of Instance, the oldest first */
    Callers *callers;
    guint processors;
    guint starting, failures, pause_source;
    guint64 claimed, restored, failed;
};

/* Machines of a snapshot are started for callers only. */
static guint
target_of(const Pool *pool)
{
    return pool->template->snapshot ? 0 : pool->config.target;
}

/* --- machines that are ready --- */

static void
drop_ready(Pool *pool, Instance *instance, const char *why)
{
    g_queue_remove(&pool->ready, instance);
    instance_end(instance, why);
    pool_refill(pool);
}

static void
on_ready_lost(Instance *instance, EndReason why, gpointer data)
{
    Pool *pool = data;

    g_warning("A machine of template '%s' was lost before anybody used it: %s",
              pool->template->name, end_reason_name(why));
    drop_ready(pool, instance, "The machine was lost");
}

/* A guest that nobody uses writes nothing that a full disk would delay for long. */
static void
on_ready_stalled(Instance *instance, gboolean is_stalled, gpointer data)
{
    if (is_stalled)
        drop_ready(data, instance, "The disk of this machine is full");
}

static const InstanceEvents ready_events = {on_ready_lost, on_ready_stalled};

static void
end_instance(gpointer instance)
{
    instance_end(instance, "The caller has left");
}

/* The machine belongs to a caller from now on. */
static void
let_go(Pool *pool, Instance *instance)
{
    pool->claimed++;
    instance_watch(instance, NULL, NULL);
}

static void
take_up(Pool *pool, Instance *instance)
{
    g_autoptr(GTask) task = callers_next(pool->callers);

    if (task) {
        let_go(pool, instance);
        g_task_return_pointer(task, instance, end_instance);
        return;
    }
    /* Its caller has left, or the target became less. */
    if (pool->ready.length >= target_of(pool)) {
        instance_end(instance, "It is not needed any more");
        return;
    }
    g_queue_push_tail(&pool->ready, instance);
    instance_watch(instance, &ready_events, pool);
}

gboolean
pool_give_up_one(Pool *pool)
{
    Instance *instance = g_queue_pop_tail(&pool->ready);

    if (!instance)
        return FALSE;
    instance_end(instance, "Its memory is needed");
    return TRUE;
}

/* --- refill --- */

static gboolean
on_pause_over(gpointer data)
{
    Pool *pool = data;

    pool->pause_source = 0;
    pool_refill(pool);
    return G_SOURCE_REMOVE;
}

static void
pause_refill(Pool *pool, guint pause_ms)
{
    g_clear_handle_id(&pool->pause_source, g_source_remove);
    pool->pause_source = g_timeout_add(pause_ms, on_pause_over, pool);
}

static void
on_restore_failed(Pool *pool, const GError *error)
{
    guint pause_ms = PAUSE_MIN_MS << MIN(pool->failures, 8);

    pool->failed++;
    pool->failures++;
    g_warning("A machine of template '%s' could not be restored: %s", pool->template->name,
              error->message);
    if (pool->failures >= FAILURES_MAX)
        callers_fail(pool->callers, error);
    pause_refill(pool, MIN(pause_ms, PAUSE_MAX_MS));
}

static void
on_restored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    Instance *instance = instance_start_finish(result, &error);
    Pool *pool;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the pool is gone */
    pool = data;
    pool->starting--;
    if (instance) {
        pool->restored++;
        pool->failures = 0;
        take_up(pool, instance);
    } else {
        on_restore_failed(pool, error);
    }
    host_changed(pool->host);
}

static gboolean
memory_is_free(const Pool *pool)
{
    return pool->host->memory_mib + pool->template->memory_mib <= pool->config.memory_max_mib;
}

static gboolean
may_start(const Pool *pool)
{
    guint waiting = callers_count(pool->callers);

    return memory_is_free(pool) &&
           pool->starting < pace_starts(&pool->host->pace, pool->processors,
                                        /* is_waited_for= */ waiting > 0) &&
           pool->ready.length + pool->starting < target_of(pool) + waiting;
}

void
pool_refill(Pool *pool)
{
    if (pool->stopped || pool->template->state != TEMPLATE_READY || pool->pause_source != 0)
        return;
    if (pool->host->waiting > 0 && callers_count(pool->callers) == 0)
        return; /* free memory is for the callers of other pools */
    while (may_start(pool)) {
        pool->starting++;
        instance_restore_async(pool->host, pool->template, pool->cancellable, on_restored, pool);
    }
}

void
pool_retry(Pool *pool)
{
    if (pool->failures == 0)
        return;
    pool->failures = 0;
    g_clear_handle_id(&pool->pause_source, g_source_remove);
    pool_refill(pool);
}

gboolean
pool_wants_room(const Pool *pool)
{
    const Host *host = pool->host;

    return pool->template->state == TEMPLATE_READY &&
           callers_count(pool->callers) > pool->starting &&
           host->memory_mib - host->ending_mib + pool->template->memory_mib >
               pool->config.memory_max_mib;
}

void
pool_update(Pool *pool)
{
    callers_set_served(pool->callers, pool->template->state == TEMPLATE_READY);
    if (pool->template->state == TEMPLATE_FAILED)
        callers_fail(pool->callers, pool->template->error);
    pool_refill(pool);
}

/* --- callers --- */

/* Why nobody can get a machine, whatever becomes free. */
static const GError *
refusal(const Pool *pool)
{
    return pool->stopped ? pool->stopped : pool->template->error;
}

static gboolean
wait_in_line(Pool *pool, guint32 owner, GTask *task, GError **error)
{
    if (refusal(pool)) {
        if (error)
            *error = g_error_copy(refusal(pool));
        return FALSE;
    }
    return callers_add(pool->callers, owner, task, error);
}

Instance *
pool_take(Pool *pool)
{
    Instance *instance = g_queue_pop_head(&pool->ready);

    if (!instance)
        return NULL;
    if (pool->failures == 0)
        pause_refill(pool, pool->host->pace.claim_pause_ms);
    let_go(pool, instance);
    return instance;
}

void
pool_wait_async(Pool *pool, guint32 owner, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;

    if (wait_in_line(pool, owner, g_object_ref(task), &error)) {
        if (pool->failures == 0)
            g_clear_handle_id(&pool->pause_source, g_source_remove);
        host_changed(pool->host);
    } else {
        g_task_return_error(task, error);
        g_object_unref(task);
    }
}

Instance *
pool_wait_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- life --- */

Pool *
pool_new(Host *host, const PoolConfig *config, Template *template)
{
    Pool *pool = g_new0(Pool, 1);

    pool->host = host;
    pool->config = *config;
    pool->template = template_ref(template);
    pool->callers = callers_new(host, template);
    pool->processors = g_get_num_processors();
    pool->cancellable = g_cancellable_new();
    g_queue_init(&pool->ready);
    return pool;
}

void
pool_reconfigure(Pool *pool, const PoolConfig *config)
{
    pool->config = *config;
    while (pool->ready.length > target_of(pool) && pool_give_up_one(pool))
        ;
}

void
pool_stop(Pool *pool, const GError *why)
{
    pool->stopped = g_error_copy(why);
    g_cancellable_cancel(pool->cancellable);
    g_clear_handle_id(&pool->pause_source, g_source_remove);
    callers_fail(pool->callers, why);
    callers_set_served(pool->callers, FALSE);
    while (pool_give_up_one(pool))
        ;
}

void
pool_free(Pool *pool)
{
    callers_free(pool->callers);
    g_object_unref(pool->cancellable);
    g_clear_error(&pool->stopped);
    template_unref(pool->template);
    g_free(pool);
}

PoolFigures
pool_figures(const Pool *pool)
{
    return (PoolFigures){
        .target = target_of(pool),
        .ready = pool->ready.length,
        .starting = pool->starting,
        .waiting = callers_count(pool->callers),
        .claimed = pool->claimed,
        .restored = pool->restored,
        .failed = pool->failed,
    };
}
