/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool: machines of one template, made ready before anyone asks. */
#include "pool.h"

#include "error.h"

/* Restores in a row that may fail before callers are told, and the pauses between them. */
#define FAILURES_MAX 3
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 30000

struct Pool {
    Host *host;
    PoolConfig config;
    Image *image;
    TemplateFiles *template;
    GCancellable *cancellable; /* of all starts */
    PoolState state;
    gboolean is_usable; /* its image is */
    char *step;
    double progress;
    GError *error;
    GQueue ready;   /* of Instance, the oldest first */
    GQueue waiting; /* of GTask */
    guint processors;
    guint starting, failures, pause_source;
    guint64 claimed, restored, failed;
    PoolChanged changed;
    gpointer changed_data;
};

static void take_up(Pool *pool, Instance *instance);

/* --- callers that wait --- */

/* Takes the error. */
static void
stop_waiting(Pool *pool, GTask *task, GError *error)
{
    g_queue_remove(&pool->waiting, task);
    pool->host->waiting--;
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void
fail_waiting(Pool *pool, const GError *error)
{
    while (pool->waiting.length > 0)
        stop_waiting(pool, g_queue_peek_head(&pool->waiting), g_error_copy(error));
}

static gboolean
on_wait_timeout(gpointer data)
{
    GTask *task = data;
    Pool *pool = g_task_get_task_data(task);

    if (g_queue_find(&pool->waiting, task))
        stop_waiting(
            pool, task,
            g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                        "No machine of template '%s' became ready within %d seconds%s; try again",
                        pool->image->name, POOL_WAIT_S,
                        pool->state != POOL_READY ? ": it is still being prepared" : ""));
    return G_SOURCE_REMOVE;
}

static gboolean
on_wait_cancelled(GCancellable *cancellable, gpointer data)
{
    GTask *task = data;
    Pool *pool = g_task_get_task_data(task);

    if (g_queue_find(&pool->waiting, task))
        stop_waiting(pool, task,
                     g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left"));
    return G_SOURCE_REMOVE;
}

static void
attach(GTask *task, GSource *source, GSourceFunc function, GPtrArray *sources)
{
    g_source_set_callback(source, function, task, NULL);
    g_source_attach(source, NULL);
    g_ptr_array_add(sources, source);
}

static void
destroy_source(gpointer source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

static void
wait_in_line(Pool *pool, GTask *task)
{
    GCancellable *cancellable = g_task_get_cancellable(task);
    GPtrArray *sources = g_ptr_array_new_with_free_func(destroy_source);

    attach(task, g_timeout_source_new_seconds(POOL_WAIT_S), on_wait_timeout, sources);
    if (cancellable)
        attach(task, g_cancellable_source_new(cancellable),
               G_SOURCE_FUNC((void (*)(void))on_wait_cancelled), sources);
    g_object_set_data_full(G_OBJECT(task), "sources", sources, (GDestroyNotify)g_ptr_array_unref);
    g_queue_push_tail(&pool->waiting, task);
    pool->host->waiting++;
}

/* --- machines that wait --- */

static void
on_ready_lost(Instance *instance, EndReason why, gpointer data)
{
    Pool *pool = data;

    g_warning("A machine of template '%s' was lost before anybody used it: %s", pool->image->name,
              end_reason_name(why));
    g_queue_remove(&pool->ready, instance);
    instance_end(instance, "The machine was lost");
    pool_refill(pool);
}

/* Its guest does nothing that would need room on the disk. */
static void
on_ready_stalled(Instance *instance, gboolean is_stalled, gpointer data)
{
    Pool *pool = data;

    if (!is_stalled)
        return;
    g_queue_remove(&pool->ready, instance);
    instance_end(instance, "The disk of this machine is full");
    pool_refill(pool);
}

static const InstanceEvents ready_events = {on_ready_lost, on_ready_stalled};

static void
end_instance(gpointer instance)
{
    instance_end(instance, "The caller has left");
}

static void
give(Pool *pool, Instance *instance, GTask *task)
{
    pool->claimed++;
    instance_watch(instance, NULL, NULL);
    g_task_return_pointer(task, instance, end_instance);
    g_object_unref(task);
}

static void
take_up(Pool *pool, Instance *instance)
{
    GTask *task = g_queue_pop_head(&pool->waiting);

    if (task) {
        pool->host->waiting--;
        give(pool, instance, task);
        return;
    }
    if (pool->ready.length >= pool->config.target) { /* started for who left, or a former target */
        instance_end(instance, "It is not needed any more");
        return;
    }
    g_queue_push_tail(&pool->ready, instance);
    instance_watch(instance, &ready_events, pool);
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
on_restore_failed(Pool *pool, GError *error)
{
    guint pause_ms = PAUSE_MIN_MS << MIN(pool->failures, 8);

    pool->failed++;
    pool->failures++;
    g_warning("A machine of template '%s' could not be restored: %s", pool->image->name,
              error->message);
    if (pool->failures >= FAILURES_MAX)
        fail_waiting(pool, error);
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
    return pool->host->memory_mib + pool->image->memory_mib <= pool->config.memory_max_mib;
}

void
pool_refill(Pool *pool)
{
    if (pool->host->waiting > 0 && pool->waiting.length == 0)
        return; /* what is free is for those who wait elsewhere */
    while (pool->state == POOL_READY && pool->pause_source == 0 && memory_is_free(pool) &&
           pool->starting < pace_starts(pool->host->pace, pool->processors,
                                        /* is_waited_for= */ pool->waiting.length > 0) &&
           pool->ready.length + pool->starting < pool->config.target + pool->waiting.length) {
        pool->starting++;
        instance_restore_async(pool->host, pool->image, pool->template, pool->cancellable,
                               on_restored, pool);
    }
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

/* --- preparation --- */

static void
on_progress(const char *step, double fraction, gpointer data)
{
    Pool *pool = data;

    /* Nothing that is stored fits: it is made. */
    if (pool->state == POOL_CHECKING && fraction > 0)
        pool->state = POOL_PREPARING;
    g_free(pool->step);
    pool->step = g_strdup(step);
    pool->progress = fraction;
    pool->changed(pool, pool->changed_data);
}

static void
set_failed(Pool *pool, const GError *error)
{
    g_warning("Template '%s' cannot be used: %s", pool->image->name, error->message);
    g_clear_error(&pool->error);
    pool->error = g_error_copy(error);
    pool->state = POOL_FAILED;
}

void
pool_fail(Pool *pool, const GError *error)
{
    if (!pool->is_usable ||
        (pool->state == POOL_FAILED && g_strcmp0(pool->error->message, error->message) == 0))
        return;
    set_failed(pool, error);
    fail_waiting(pool, error);
    pool->changed(pool, pool->changed_data);
}

/* What is damaged is told as it is; whatever else went wrong, the template is not ready. */
static GError *
tell_not_ready(const Pool *pool, const GError *error)
{
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED))
        return g_error_copy(error);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
                       "template '%s' could not be made ready: %s", pool->image->name,
                       error->message);
}

static void
on_prepared(GObject *source, GAsyncResult *result, gpointer data)
{
    Pool *pool;
    g_autoptr(GError) error = NULL;
    gboolean ok = forge_prepare_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    pool = data;
    if (!ok) {
        g_autoptr(GError) told = tell_not_ready(pool, error);

        pool_fail(pool, told);
        return;
    }
    pool->state = POOL_READY;
    pool->changed(pool, pool->changed_data);
    pool_refill(pool);
}

void
pool_hold(Pool *pool, const char *step)
{
    if (!pool->is_usable)
        return;
    pool->state = POOL_PREPARING;
    on_progress(step, /* fraction= */ 0, pool);
}

void
pool_prepare(Pool *pool, const VmFacts *facts)
{
    g_autofree char *key = NULL;

    if (!pool->is_usable)
        return;
    pool->state = POOL_CHECKING;
    key = forge_key(pool->image, facts);
    pool->template = template_files_new(pool->host->store, pool->image->name, key,
                                        pool->image->digest, facts->accelerator);
    forge_prepare_async(pool->host, pool->image, pool->template, on_progress, pool,
                        pool->cancellable, on_prepared, pool);
}

/* --- life --- */

Pool *
pool_new(Host *host, const PoolConfig *config, Image *image, const GError *error,
         PoolChanged changed, gpointer data)
{
    Pool *pool = g_new0(Pool, 1);

    pool->host = host;
    pool->config = *config;
    pool->image = image;
    pool->processors = g_get_num_processors();
    pool->cancellable = g_cancellable_new();
    pool->step = g_strdup("waiting for the accelerator");
    pool->changed = changed;
    pool->changed_data = data;
    g_queue_init(&pool->ready);
    g_queue_init(&pool->waiting);
    pool->is_usable = !error;
    if (error)
        set_failed(pool, error);
    return pool;
}

void
pool_reconfigure(Pool *pool, const PoolConfig *config)
{
    pool->config = *config;
    while (pool->ready.length > config->target && pool_give_up_one(pool))
        ;
}

void
pool_stop(Pool *pool, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING, why);

    pool->state = POOL_FAILED;
    g_clear_error(&pool->error);
    pool->error = g_error_copy(error);
    g_cancellable_cancel(pool->cancellable);
    g_clear_handle_id(&pool->pause_source, g_source_remove);
    fail_waiting(pool, error);
    while (pool_give_up_one(pool))
        ;
}

void
pool_free(Pool *pool)
{
    g_object_unref(pool->cancellable);
    template_files_free(pool->template);
    image_free(pool->image);
    g_clear_error(&pool->error);
    g_free(pool->step);
    g_free(pool);
}

const Image *
pool_image(const Pool *pool)
{
    return pool->image;
}

gboolean
pool_is_usable(const Pool *pool)
{
    return pool->is_usable;
}

const TemplateFiles *
pool_template(const Pool *pool)
{
    return pool->template;
}

PoolFigures
pool_figures(const Pool *pool)
{
    return (PoolFigures){
        .state = pool->state,
        .step = pool->step,
        .progress = pool->progress,
        .error = pool->state == POOL_FAILED ? pool->error->message : NULL,
        .target = pool->config.target,
        .ready = pool->ready.length,
        .starting = pool->starting,
        .waiting = pool->waiting.length,
        .claimed = pool->claimed,
        .restored = pool->restored,
        .failed = pool->failed,
    };
}

gboolean
pool_wants_room(const Pool *pool)
{
    const Host *host = pool->host;

    return pool->state == POOL_READY && pool->waiting.length > pool->starting &&
           host->memory_mib - host->ending_mib + pool->image->memory_mib >
               pool->config.memory_max_mib;
}

void
pool_take_async(Pool *pool, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    Instance *instance = g_queue_pop_head(&pool->ready);
    Host *host = pool->host;
    GError *error = NULL;

    g_task_set_task_data(task, pool, NULL);
    if (instance) {
        give(pool, instance, task);
        if (pool->failures == 0)
            pause_refill(pool, pool->host->pace->claim_pause_ms);
        return;
    }
    if (pool->state == POOL_FAILED)
        error = g_error_copy(pool->error);
    else if (pool->waiting.length >= POOL_WAITING_MAX)
        error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                            "%d callers wait for template '%s' already; try again",
                            POOL_WAITING_MAX, pool->image->name);
    if (error) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    wait_in_line(pool, task);
    if (pool->failures == 0)
        g_clear_handle_id(&pool->pause_source, g_source_remove);
    host_changed(host);
}

Instance *
pool_take_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
