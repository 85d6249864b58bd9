/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core: how the parts of the core are connected, started and stopped. */
#include "core.h"

#include "acceleration.h"
#include "adopt.h"
#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "network-private.h"
#include "operation.h"
#include "preparation.h"

/* --- events --- */

static void
tell_template_changed(Core *core, const Template *template)
{
    if (core->events)
        core->events->template_changed(template->name, core->events_data);
    core_notify(core);
}

static void
on_template_added(Template *template, gpointer data)
{
    Core *core = data;

    pools_add(core->pools, template);
    tell_template_changed(core, template);
}

static void
on_template_changed(Template *template, gpointer data)
{
    Core *core = data;
    Pool *pool = pools_find(core->pools, template);

    if (pool) /* nobody waits for a snapshot that was removed */
        pool_update(pool);
    if (template->snapshot)
        return;
    tell_template_changed(core, template);
    snapshots_retry(core->snapshots);
}

static void
on_snapshot_released(Template *template, gpointer data)
{
    Core *core = data;

    snapshots_on_released(core->snapshots, template);
}

static void
on_template_removed(Template *template, gpointer data)
{
    Core *core = data;
    g_autoptr(GError) error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_TEMPLATE,
                                          "template '%s' was removed", template->name);

    g_hash_table_remove(core->preparations, template);
    pools_remove(core->pools, template, error);
    tell_template_changed(core, template);
}

static const TemplatesEvents templates_events = {on_template_added, on_template_changed,
                                                 on_template_removed, on_snapshot_released};

static void
on_accelerator_chosen(const VmFacts *facts, gpointer data)
{
    Core *core = data;
    GHashTableIter iter;
    gpointer preparation;

    g_hash_table_iter_init(&iter, core->preparations);
    while (g_hash_table_iter_next(&iter, NULL, &preparation))
        preparation_start(preparation, facts);
    snapshots_retry(core->snapshots);
}

static void
on_accelerator_waiting(const char *step, gpointer data)
{
    Core *core = data;
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, core->preparations);
    while (g_hash_table_iter_next(&iter, &template, NULL))
        template_wait(template, step);
}

/* No template can be used for this reason. */
static void
fail_templates(const GError *error, gpointer data)
{
    Core *core = data;
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, core->preparations);
    while (g_hash_table_iter_next(&iter, &template, NULL))
        template_fail(template, error);
}

static void
on_acceleration_changed(gpointer data)
{
    Core *core = data;

    core->events->manager_changed(core->events_data);
    core_notify(core);
}

static const AccelerationEvents acceleration_events = {
    .chosen = on_accelerator_chosen,
    .waiting = on_accelerator_waiting,
    .failed = fail_templates,
    .changed = on_acceleration_changed,
};

static void
on_host_changed(gpointer data)
{
    Core *core = data;

    if (!core->is_stopping) {
        pools_balance(core->pools);
    } else if (core->stopping && core->host.count == 0) {
        GTask *task = g_steal_pointer(&core->stopping);

        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

/* --- start --- */

static void
add_templates(Core *core)
{
    g_auto(GStrv) images = image_list(core->host.store);

    for (char **image = images; *image; image++) {
        Preparation *preparation = preparation_new(&core->host, core->templates, *image);

        if (preparation)
            g_hash_table_insert(core->preparations, preparation_template(preparation), preparation);
    }
}

/* Copies what the config only points to. */
static void
set_config(Core *core, const CoreConfig *config)
{
    NetPolicy *network = config->network ? net_policy_copy(config->network) : net_policy_new();

    g_free((char *)core->config.default_template);
    g_free((char *)core->config.proxy);
    net_policy_free(core->config.network);
    core->config.default_template = g_strdup(config->default_template);
    core->config.proxy = g_strdup(config->proxy ? config->proxy : "");
    core->config.network = network;
}

Core *
core_new(const CoreConfig *config, Vm *vm, const Store *store, GError **error)
{
    const PoolConfig pool_config = {config->pool_target, config->memory_max_mib};
    Deadlines *deadlines = deadlines_new(error);
    Core *core;

    if (!deadlines)
        return NULL;
    core = g_new0(Core, 1);
    core->config = *config;
    core->config.default_template = core->config.proxy = NULL;
    core->config.network = NULL;
    set_config(core, config);
    core->quota = quota_new(&config->limits_of_all, &config->limits_of_each);
    host_init(&core->host, vm, store, config->uid_first, config->uid_count);
    core->host.on_change = on_host_changed;
    core->host.on_change_data = core;
    core->deadlines = deadlines;
    core->acceleration =
        acceleration_new(&core->host, config->emulation, &acceleration_events, core);
    core->pools = pools_new(&core->host, &pool_config);
    core->templates = templates_new(&core->host, &templates_events, core);
    core->preparations = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)preparation_free);
    core->snapshots = snapshots_new(core);
    core->snapshotting = g_hash_table_new(g_str_hash, g_str_equal);
    core->sandboxes = g_hash_table_new(g_str_hash, g_str_equal);
    core->creating = g_hash_table_new(g_str_hash, g_str_equal);
    core->networks = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&core->operations);
    g_queue_init(&core->settling);
    g_queue_init(&core->ended);
    core->disk_watch = disk_watch_new(core);
    core->record_writer = record_writer_new(&core->host);
    add_templates(core);
    return core;
}

void
core_use_egress(Core *core, Egress *egress)
{
    core->egress = egress;
}

void
core_set_events(Core *core, const CoreEvents *events, gpointer data)
{
    core->events = events;
    core->events_data = data;
}

/* The kernel of any template shows which accelerator works. */
static void
find_accelerator(Core *core)
{
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, core->preparations);
    if (g_hash_table_iter_next(&iter, &template, NULL))
        acceleration_start(core->acceleration, template);
    else
        g_warning("No usable image is installed: build one with build-image, and start this "
                  "service again");
}

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    Core *core = data;

    if (core_sweep_finish(result, /* error= */ NULL) && !core->is_stopping)
        find_accelerator(core);
    host_release(&core->host);
}

/* What failed because libvirt was away is tried again at once. */
static void
on_libvirt_answers(gboolean does, gpointer data)
{
    Core *core = data;
    GHashTableIter iter;
    gpointer preparation;

    if (core->is_stopping)
        return;
    if (!does) {
        if (!acceleration_has_started(core->acceleration))
            on_accelerator_waiting("waiting for libvirt, which does not answer", core);
        return;
    }
    acceleration_retry(core->acceleration);
    g_hash_table_iter_init(&iter, core->preparations);
    while (g_hash_table_iter_next(&iter, NULL, &preparation))
        preparation_retry(preparation);
    pools_retry(core->pools);
}

void
core_start(Core *core)
{
    vm_watch(core->host.vm, on_libvirt_answers, core);
    networks_start(core);
    host_hold(&core->host);
    core_sweep_async(core, on_swept, core);
}

/* --- stop --- */

void
core_stop_async(Core *core, gboolean leave_sandboxes, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GError) why =
        g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING, "The service is stopping");

    core->is_stopping = TRUE;
    core->stopping = g_task_new(NULL, NULL, callback, data);
    acceleration_stop(core->acceleration);
    templates_stop(core->templates);
    vm_stop_trying(core->host.vm);
    core->leaves_sandboxes = leave_sandboxes;
    host_hold(&core->host); /* until everything below has been called */
    registry_stop_all(core);
    networks_stop(core);
    g_hash_table_remove_all(core->preparations);
    pools_stop(core->pools, why);
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
    vm_watch(core->host.vm, NULL, NULL);
    disk_watch_free(core->disk_watch);
    record_writer_free(core->record_writer);
    registry_clear(core);
    operations_abandon(core);
    g_hash_table_unref(core->creating);
    g_hash_table_unref(core->networks);
    egress_close(core->egress);
    g_hash_table_unref(core->preparations);
    pools_free(core->pools);
    snapshots_free(core->snapshots);
    g_hash_table_unref(core->snapshotting);
    templates_free(core->templates);
    acceleration_free(core->acceleration);
    if (!core->host.machines_stay)
        store_clear_ram(core->host.store);
    quota_free(core->quota);
    host_clear(&core->host);
    deadlines_free(core->deadlines);
    journal_flush();
    g_free((char *)core->config.default_template);
    g_free((char *)core->config.proxy);
    net_policy_free(core->config.network);
    g_free(core);
}

void
core_reconfigure(Core *core, const CoreConfig *config)
{
    PoolConfig pool_config = {config->pool_target, config->memory_max_mib};

    set_config(core, config);
    core->config.limits_of_all = config->limits_of_all;
    core->config.limits_of_each = config->limits_of_each;
    core->config.pool_target = config->pool_target;
    core->config.memory_max_mib = config->memory_max_mib;
    core->config.lifetime_max_s = config->lifetime_max_s;
    core->config.paused_max_s = config->paused_max_s;
    core->config.disk_use_percent = config->disk_use_percent;
    quota_set_limits(core->quota, &config->limits_of_all, &config->limits_of_each);
    pools_reconfigure(core->pools, &pool_config);
    networks_reconfigure(core);
    core->events->manager_changed(core->events_data);
}

/* --- what is known --- */

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
    return acceleration_facts(core->acceleration);
}

const char *
core_acceleration_error(const Core *core)
{
    return acceleration_error(core->acceleration);
}

const Templates *
core_templates(const Core *core)
{
    return core->templates;
}

PoolFigures
core_pool_figures(const Core *core, const Template *template)
{
    return pool_figures(pools_find(core->pools, template));
}
