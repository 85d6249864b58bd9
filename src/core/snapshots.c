/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshots: the registry of snapshots, and how they become ready and go. */
#include "snapshots.h"

#include "access.h"
#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "preparation.h"
#include "registry.h"

#define MIB ((guint64)1024 * 1024)

struct Snapshots {
    Core *core;
    GHashTable *existing; /* id → Template, all to which there is a reference; not owned */
    GHashTable *listed;   /* of Template: those that were not removed, with a reference each */
    GPtrArray *found;     /* of Template: references until snapshots_settle() */
    GQueue wanted;        /* of Template, with a reference each: they are to become ready */
    Template *loading;    /* by a thread; NULL: none */
};

QuotaAmounts
snapshot_amounts(const Snapshot *snapshot)
{
    return (QuotaAmounts){{
        [QUOTA_SNAPSHOTS] = snapshot->is_removed ? 0 : 1,
        [QUOTA_SNAPSHOT_MIB] = (snapshot->size + MIB - 1) / MIB,
    }};
}

/* --- from files to a template --- */

static char *
path_of_kernel(const Snapshot *snapshot)
{
    g_autofree char *image = g_strdup_printf("%s-%s", snapshot->template, snapshot->image);

    return g_build_filename(snapshot->store->state, "images", image, "kernel", NULL);
}

static TemplateFiles *
files_of(const Snapshot *snapshot)
{
    return template_files_new(snapshot->store, snapshot->template, snapshot->key, snapshot->image,
                              snapshot->accelerator);
}

/* Takes both. */
static Template *
template_of(Snapshot *snapshot, Template *parent)
{
    Template *template = template_new(snapshot->template);

    template->snapshot = snapshot;
    template->parent = parent;
    g_free(template->user);
    template->user = g_strdup(snapshot->user);
    g_strfreev(template->languages);
    template->languages = g_strdupv(snapshot->languages);
    template->network = snapshot->network ? net_policy_copy(snapshot->network) : NULL;
    template->vcpus = snapshot->vcpus;
    template->memory_mib = snapshot->memory_mib;
    template->disk_mib = snapshot->disk_mib;
    template->kernel = path_of_kernel(snapshot);
    template_check(template, files_of(snapshot));
    template->kept = template_files_keep_image(template->files);
    return template;
}

Template *
snapshots_add(Snapshots *snapshots, Snapshot *snapshot, Template *parent)
{
    Template *template = template_of(snapshot, parent);

    g_hash_table_insert(snapshots->existing, snapshot->id, template);
    templates_follow(snapshots->core->templates, template);
    if (!snapshot->is_removed) {
        g_hash_table_add(snapshots->listed, template_ref(template));
        pools_add(snapshots->core->pools, template);
    }
    return template;
}

/* --- what is stored --- */

static int
compare_depths(gconstpointer a, gconstpointer b)
{
    const Snapshot *x = *(Snapshot *const *)a, *y = *(Snapshot *const *)b;

    return (x->depth > y->depth) - (x->depth < y->depth);
}

static GPtrArray *
read_all(const Store *store)
{
    GPtrArray *all = g_ptr_array_new();
    g_auto(GStrv) ids = snapshot_list(store);

    for (char **id = ids; *id; id++) {
        Snapshot *snapshot = snapshot_load(store, *id, /* error= */ NULL);

        if (snapshot)
            g_ptr_array_add(all, snapshot);
    }
    g_ptr_array_sort(all, compare_depths);
    return all;
}

/* Revokes the access of machines that the previous instance of the service has started: their QEMU
 * has the disk open. Takes the snapshot. */
static void
find_again(Snapshots *snapshots, Snapshot *snapshot)
{
    g_autoptr(Snapshot) mine = snapshot;
    Template *parent = mine->parent ? snapshots_lookup(snapshots, mine->parent) : NULL;
    const QuotaAmounts amounts = snapshot_amounts(mine);
    g_autofree char *disk = snapshot_path(mine, SNAPSHOT_DISK);
    g_autoptr(GError) error = NULL;

    if (mine->parent && !parent) {
        g_warning("The snapshot '%s' cannot be used: its parent '%s' is missing", mine->id,
                  mine->parent);
        return;
    }
    if (!access_reset(disk, &error))
        g_warning("%s", error->message);
    quota_charge_anyway(snapshots->core->quota, mine->owner, &amounts);
    g_ptr_array_add(snapshots->found, snapshots_add(snapshots, g_steal_pointer(&mine),
                                                    parent ? template_ref(parent) : NULL));
}

void
snapshots_load(Snapshots *snapshots)
{
    const Store *store = snapshots->core->host.store;
    g_autoptr(GPtrArray) all = NULL;
    guint removed = store_sweep_snapshots(store);

    if (removed > 0)
        g_message("Removed %u unfinished or damaged snapshots of the previous instance of the "
                  "service",
                  removed);
    all = read_all(store);
    for (guint i = 0; i < all->len; i++)
        find_again(snapshots, all->pdata[i]);
}

void
snapshots_settle(Snapshots *snapshots)
{
    g_ptr_array_set_size(snapshots->found, 0);
}

/* --- ready --- */

static void load_next(Snapshots *snapshots);

/* Its own parts, and those below its disk. A base that no template uses is loaded, too. */
static void
load_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Template *template = data;
    gboolean loads_base = GPOINTER_TO_INT(g_task_get_source_tag(task));
    GError *error = NULL;
    gboolean ok = !loads_base || template_files_load(template->files, &error);

    for (; ok && template; template = template->parent)
        ok = snapshot_verify(template->snapshot, &error);
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
on_loaded(GObject *source, GAsyncResult *result, gpointer data)
{
    Snapshots *snapshots = data;
    Core *core = snapshots->core;
    g_autoptr(Template) template = g_steal_pointer(&snapshots->loading);
    g_autoptr(GError) error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error))
        template_finish(template);
    else
        template_fail(template, error);
    load_next(snapshots);
    host_release(&core->host);
}

static void
begin_load(Snapshots *snapshots, Template *template, gboolean loads_base)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_loaded, snapshots);

    snapshots->loading = template_ref(template);
    host_hold(&snapshots->core->host);
    g_task_set_task_data(task, template, NULL);
    g_task_set_source_tag(task, GINT_TO_POINTER(loads_base));
    g_task_run_in_thread(task, load_in_thread);
}

/* Machines are made from what the state was saved of, and nothing else. */
static gboolean
check_facts(const Template *template, const VmFacts *facts, GError **error)
{
    g_autofree char *key = preparation_key(template->snapshot->image, facts);

    if (g_str_equal(key, template_key(template)))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                "snapshot '%s' was taken with another QEMU, processor or accelerator than this "
                "host has now (%s, %s)",
                template->snapshot->id, facts->hypervisor, facts->accelerator);
    return FALSE;
}

/* The installed template that prepares the files of the base; NULL: none does. */
static const Template *
find_installed_base(const Snapshots *snapshots, const Template *template)
{
    const Template *installed = templates_find(snapshots->core->templates, template->name);

    return installed && g_strcmp0(template_key(installed), template_key(template)) == 0 ? installed
                                                                                        : NULL;
}

/* FALSE: it has to wait. */
static gboolean
make_ready(Snapshots *snapshots, Template *template)
{
    const VmFacts *facts = acceleration_facts(snapshots->core->acceleration);
    const Template *installed = find_installed_base(snapshots, template);
    g_autoptr(GError) error = NULL;

    if (!facts ||
        (installed && installed->state != TEMPLATE_READY && installed->state != TEMPLATE_FAILED))
        return FALSE;
    if (installed && installed->state == TEMPLATE_FAILED)
        template_fail(template, installed->error);
    else if (!check_facts(template, facts, &error))
        template_fail(template, error);
    else
        begin_load(snapshots, template, /* loads_base= */ !installed);
    return TRUE;
}

static void
load_next(Snapshots *snapshots)
{
    guint tries = snapshots->wanted.length;

    while (tries-- > 0 && !snapshots->loading && !snapshots->core->is_stopping) {
        g_autoptr(Template) template = g_queue_pop_head(&snapshots->wanted);

        if (!make_ready(snapshots, template))
            g_queue_push_tail(&snapshots->wanted, template_ref(template));
    }
}

void
snapshots_want(Snapshots *snapshots, Template *template)
{
    if (template->state == TEMPLATE_READY || template == snapshots->loading ||
        g_queue_find(&snapshots->wanted, template))
        return;
    if (template->state == TEMPLATE_FAILED) /* the reason may have passed */
        template_check(template, files_of(template->snapshot));
    g_queue_push_tail(&snapshots->wanted, template_ref(template));
    load_next(snapshots);
}

void
snapshots_retry(Snapshots *snapshots)
{
    load_next(snapshots);
}

/* --- search --- */

Template *
snapshots_lookup(const Snapshots *snapshots, const char *id)
{
    return g_hash_table_lookup(snapshots->existing, id);
}

static Template *
find_listed(const Core *core, const char *id)
{
    Template *template = snapshots_lookup(core->snapshots, id);

    return template && g_hash_table_contains(core->snapshots->listed, template) ? template : NULL;
}

Template *
core_find_snapshot(Core *core, const Viewer *viewer, const char *id, GError **error)
{
    Template *template = find_listed(core, id);
    g_autofree char *shown = NULL;

    if (template && core_may_see(viewer, template->snapshot->owner))
        return template;
    shown = g_strndup(id, 64);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SNAPSHOT, "there is no snapshot '%s'",
                shown);
    return NULL;
}

gboolean
core_owns_snapshot(const Core *core, guint32 uid, const char *id)
{
    const Template *template = find_listed(core, id);

    return template && template->snapshot->owner == uid;
}

static int
compare_times(gconstpointer a, gconstpointer b)
{
    const Snapshot *x = (*(Template *const *)a)->snapshot, *y = (*(Template *const *)b)->snapshot;

    return (x->created_us > y->created_us) - (x->created_us < y->created_us);
}

GPtrArray *
core_list_snapshots(const Core *core)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, core->snapshots->listed);
    while (g_hash_table_iter_next(&iter, &template, NULL))
        g_ptr_array_add(all, template);
    g_ptr_array_sort(all, compare_times);
    return all;
}

guint
core_count_sandboxes_of(const Core *core, const Template *template)
{
    GHashTableIter iter;
    gpointer sandbox;
    guint count = 0;

    g_hash_table_iter_init(&iter, core->sandboxes);
    while (g_hash_table_iter_next(&iter, NULL, &sandbox))
        count += g_strcmp0(((const Sandbox *)sandbox)->snapshot, template->snapshot->id) == 0;
    return count;
}

guint
core_count_snapshots_on(const Core *core, const Template *template)
{
    GHashTableIter iter;
    gpointer other;
    guint count = 0;

    g_hash_table_iter_init(&iter, core->snapshots->listed);
    while (g_hash_table_iter_next(&iter, &other, NULL))
        count += ((const Template *)other)->parent == template;
    return count;
}

/* --- removal --- */

static void
mark_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Template *template = data;
    GError *error = NULL;

    if (snapshot_mark_removed(template->snapshot, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

typedef struct {
    Core *core;
    Template *template;
} Removal;

static void
removal_free(gpointer data)
{
    Removal *removal = data;
    Host *host = &removal->core->host;

    template_unref(removal->template);
    g_free(removal);
    host_release(host);
}

void
snapshots_open_pool(Snapshots *snapshots, Template *template)
{
    pools_add(snapshots->core->pools, template);
}

/* Its machines hold references of their own. */
void
snapshots_close_pool(Snapshots *snapshots, Template *template)
{
    GList *wanted = g_queue_find(&snapshots->wanted, template);
    g_autoptr(GError) why = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SNAPSHOT,
                                        "snapshot '%s' was removed", template->snapshot->id);

    pools_remove(snapshots->core->pools, template, why);
    if (wanted) {
        g_queue_delete_link(&snapshots->wanted, wanted);
        template_unref(template);
    }
}

static void
on_marked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const Removal *removal = g_task_get_task_data(task);
    Core *core = removal->core;
    const QuotaAmounts one = {{[QUOTA_SNAPSHOTS] = 1}};
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        g_hash_table_add(core->snapshots->listed, template_ref(removal->template));
        g_task_return_error(task, error);
        return;
    }
    snapshots_close_pool(core->snapshots, removal->template);
    quota_release(core->quota, removal->template->snapshot->owner, &one);
    journal_snapshot_removed(removal->template->snapshot);
    g_task_return_boolean(task, TRUE);
}

void
core_remove_snapshot_async(Core *core, Template *template, GAsyncReadyCallback callback,
                           gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    g_autoptr(GTask) mark = g_task_new(NULL, NULL, on_marked, task);
    Removal *removal = g_new0(Removal, 1);

    removal->core = core;
    removal->template = template_ref(template);
    host_hold(&core->host);
    g_task_set_task_data(task, removal, removal_free);
    g_hash_table_remove(core->snapshots->listed, template);
    g_task_set_task_data(mark, template, NULL);
    g_task_run_in_thread(mark, mark_in_thread);
}

gboolean
core_remove_snapshot_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- files that nothing needs --- */

typedef struct {
    Core *core;
    Template *template;
    QuotaAmounts charged;
} Drop;

static void
drop_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Drop *drop = data;
    g_autoptr(GError) error = NULL;

    if (!snapshot_drop_state(drop->template->snapshot, &error))
        g_warning("%s", error->message);
    g_task_return_boolean(task, TRUE);
}

static void
drop_free(gpointer data)
{
    Drop *drop = data;

    template_unref(drop->template);
    g_free(drop);
}

void
snapshots_drop_state_async(Snapshots *snapshots, Template *template, GAsyncReadyCallback callback,
                           gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Drop *drop = g_new0(Drop, 1);

    drop->core = snapshots->core;
    drop->template = template_ref(template);
    drop->charged = snapshot_amounts(template->snapshot);
    g_task_set_task_data(task, drop, drop_free);
    g_task_run_in_thread(task, drop_in_thread);
}

void
snapshots_drop_state_finish(GAsyncResult *result)
{
    const Drop *drop = g_task_get_task_data(G_TASK(result));
    const Snapshot *snapshot = drop->template->snapshot;
    const QuotaAmounts amounts = snapshot_amounts(snapshot);

    quota_charge_anyway(drop->core->quota, snapshot->owner, &amounts);
    quota_release(drop->core->quota, snapshot->owner, &drop->charged);
}

typedef struct {
    Core *core;
    Snapshot *snapshot;
} Gone;

static void
remove_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Gone *gone = data;
    g_autoptr(GError) error = NULL;

    if (!snapshot_remove(gone->snapshot, &error))
        g_warning("%s", error->message);
    g_task_return_boolean(task, TRUE);
}

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    Gone *gone = data;
    Host *host = &gone->core->host;
    const QuotaAmounts amounts = snapshot_amounts(gone->snapshot);

    quota_release(gone->core->quota, gone->snapshot->owner, &amounts);
    snapshot_free(gone->snapshot);
    g_free(gone);
    host_release(host);
}

static void
remove_files(Core *core, Snapshot *snapshot)
{
    Gone *gone = g_new0(Gone, 1);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_removed, gone);

    gone->core = core;
    gone->snapshot = snapshot;
    host_hold(&core->host);
    g_task_set_task_data(task, gone, NULL);
    g_task_run_in_thread(task, remove_in_thread);
}

/* While the service stops, machines may go on that need the files; its next instance decides. */
void
snapshots_on_released(Snapshots *snapshots, Template *template)
{
    Core *core = snapshots->core;

    g_hash_table_remove(snapshots->existing, template->snapshot->id);
    if (template->snapshot->is_removed && !core->is_stopping)
        remove_files(core, g_steal_pointer(&template->snapshot));
}

/* --- life --- */

Snapshots *
snapshots_new(Core *core)
{
    Snapshots *snapshots = g_new0(Snapshots, 1);

    snapshots->core = core;
    snapshots->existing = g_hash_table_new(g_str_hash, g_str_equal);
    snapshots->listed = g_hash_table_new_full(NULL, NULL, (GDestroyNotify)template_unref, NULL);
    snapshots->found = g_ptr_array_new_with_free_func((GDestroyNotify)template_unref);
    g_queue_init(&snapshots->wanted);
    return snapshots;
}

void
snapshots_free(Snapshots *snapshots)
{
    g_assert(!snapshots->loading);
    g_queue_clear_full(&snapshots->wanted, (GDestroyNotify)template_unref);
    g_hash_table_unref(snapshots->listed);
    g_ptr_array_unref(snapshots->found);
    g_hash_table_unref(snapshots->existing);
    g_free(snapshots);
}
