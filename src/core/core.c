/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core: the beginning and the end of everything. */
#include "core.h"

#include "acceleration.h"
#include "adopt.h"
#include "core-private.h"
#include "error.h"
#include "operation.h"

/* --- news --- */

static void
on_pool_changed(const Pool *pool, gpointer data)
{
    Core *core = data;

    core->events->template_changed(pool_image(pool)->name, core->events_data);
    core_notify(core);
}

/* Machines that nobody has claimed make room for those that somebody waits for. */
static void
make_room(Core *core, Pool *pool)
{
    GHashTableIter iter;
    gpointer other;

    g_hash_table_iter_init(&iter, core->pools);
    while (pool_wants_room(pool) && g_hash_table_iter_next(&iter, NULL, &other))
        while (other != pool && pool_wants_room(pool) && pool_give_up_one(other))
            ;
}

static void
balance(Core *core)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        make_room(core, pool);
    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_refill(pool);
}

static void
on_host_changed(gpointer data)
{
    Core *core = data;

    if (!core->stopping) {
        balance(core);
    } else if (core->host.count == 0) {
        GTask *task = g_steal_pointer(&core->stopping);

        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

/* --- start --- */

static void
add_pools(Core *core)
{
    g_auto(GStrv) names = image_list(core->host.store);
    PoolConfig config = {core->config.pool_target, core->config.memory_max_mib};

    for (char **name = names; *name; name++) {
        g_autoptr(GError) error = NULL;
        Image *image = image_load(core->host.store, *name, &error);

        g_hash_table_insert(core->pools, g_strdup(*name),
                            pool_new(&core->host, &config, image, error, on_pool_changed, core));
    }
}

Core *
core_new(const CoreConfig *config, Vm *vm, const Store *store, GError **error)
{
    Deadlines *deadlines = deadlines_new(error);
    Core *core;

    if (!deadlines)
        return NULL;
    core = g_new0(Core, 1);
    core->config = *config;
    core->config.default_template = g_strdup(config->default_template);
    core->quota = quota_new(&config->limits_of_all, &config->limits_of_each);
    host_init(&core->host, vm, store, config->uid_first, config->uid_count);
    core->host.on_change = on_host_changed;
    core->host.on_change_data = core;
    core->deadlines = deadlines;
    core->cancellable = g_cancellable_new();
    core->pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)pool_free);
    core->sandboxes = g_hash_table_new(g_str_hash, g_str_equal);
    core->creating = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&core->operations);
    g_queue_init(&core->ended);
    add_pools(core);
    return core;
}

void
core_set_events(Core *core, const CoreEvents *events, gpointer data)
{
    core->events = events;
    core->events_data = data;
}

void
core_watch(Core *core, void (*changed)(gpointer data), gpointer data)
{
    core->changed = changed;
    core->changed_data = data;
}

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    Core *core = data;
    g_autoptr(GError) error = NULL;
    gboolean swept = core_sweep_finish(result, &error);

    if (core->stopping)
        ; /* too late to begin */
    else if (swept)
        acceleration_start(core);
    else
        acceleration_fail(core, error);
    host_release(&core->host);
}

void
core_start(Core *core)
{
    host_hold(&core->host);
    core_sweep_async(core, on_swept, core);
}

/* --- stop --- */

void
core_stop_async(Core *core, gboolean leave_sandboxes, GAsyncReadyCallback callback, gpointer data)
{
    GHashTableIter iter;
    gpointer pool;

    core->stopping = g_task_new(NULL, NULL, callback, data);
    g_cancellable_cancel(core->cancellable);
    acceleration_stop(core);
    vm_stop_trying(core->host.vm);
    core->leaves_sandboxes = leave_sandboxes;
    host_hold(&core->host); /* until all are told */
    registry_stop_all(core);
    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_stop(pool, "The service is stopping");
    host_release(&core->host);
}

void
core_stop_finish(GAsyncResult *result)
{
    g_task_propagate_boolean(G_TASK(result), NULL);
}

void
core_free(Core *core)
{
    registry_clear(core);
    operations_abandon(core);
    g_hash_table_unref(core->creating);
    g_hash_table_unref(core->pools);
    if (!core->host.machines_stay)
        store_clear_ram(core->host.store);
    quota_free(core->quota);
    host_clear(&core->host);
    deadlines_free(core->deadlines);
    g_object_unref(core->cancellable);
    g_free((char *)core->config.default_template);
    g_free(core->acceleration_error);
    g_free(core);
}

void
core_reconfigure(Core *core, const CoreConfig *config)
{
    PoolConfig pool_config = {config->pool_target, config->memory_max_mib};
    GHashTableIter iter;
    gpointer pool;

    g_free((char *)core->config.default_template);
    core->config.default_template = g_strdup(config->default_template);
    core->config.pool_target = config->pool_target;
    core->config.memory_max_mib = config->memory_max_mib;
    core->config.lifetime_max_s = config->lifetime_max_s;
    quota_set_limits(core->quota, &config->limits_of_all, &config->limits_of_each);
    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_reconfigure(pool, &pool_config);
    balance(core);
    core->events->manager_changed(core->events_data);
}

/* --- what is known --- */

static void
add_template(GString *text, const Pool *pool)
{
    PoolFigures figures = pool_figures(pool);

    g_string_append_printf(text, "; template %s: ", pool_image(pool)->name);
    switch (figures.state) {
    case POOL_CHECKING:
        g_string_append(text, "being checked");
        break;
    case POOL_PREPARING:
        g_string_append_printf(text, "%s (%.0f %%)", figures.step, figures.progress * 100);
        break;
    case POOL_READY:
        g_string_append(text, "ready");
        break;
    case POOL_FAILED:
        g_string_append(text, "failed");
        break;
    }
}

char *
core_summary(Core *core)
{
    guint sandboxes = g_hash_table_size(core->sandboxes);
    g_autoptr(GList) pools = core_pools(core);
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%u sandbox%s", sandboxes, sandboxes == 1 ? "" : "es");
    if (core->facts && core->facts->emulated)
        g_string_append(text, ", emulated");
    else if (!core->facts && core->acceleration_error)
        g_string_append(text, ", KVM does not work");
    for (GList *l = pools; l; l = l->next)
        add_template(text, l->data);
    return g_string_free(text, FALSE);
}

gboolean
core_is_checked(Core *core)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        if (pool_figures(pool).state == POOL_CHECKING)
            return FALSE;
    return TRUE;
}

gboolean
core_is_machine(const Core *core, guint32 uid)
{
    return host_is_machine(&core->host, uid);
}

const Quota *
core_quota(const Core *core)
{
    return core->quota;
}

const CoreConfig *
core_config(const Core *core)
{
    return &core->config;
}

const VmFacts *
core_facts(const Core *core)
{
    return core->facts;
}

const char *
core_acceleration_error(const Core *core)
{
    return core->acceleration_error;
}

static int
compare_pools(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(pool_image(a)->name, pool_image(b)->name);
}

GList *
core_pools(Core *core)
{
    return g_list_sort(g_hash_table_get_values(core->pools), compare_pools);
}
