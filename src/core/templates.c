/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* templates: the templates that are installed, by name, and every version that is in use. */
#include "templates.h"

#include <string.h>

struct Templates {
    Host *host;
    const TemplatesEvents *events;
    gpointer events_data;
    GHashTable *installed; /* name → Template, with a reference each */
    GHashTable *existing;  /* of Template: all to which there is a reference; not owned */
    GHashTable *outdated; /* names of which a version is to be removed, once the new one is ready */
    gboolean is_stopped;
};

/* --- removal of files, in a worker thread --- */

typedef struct {
    Host *host;
    TemplateFiles *gone; /* the version to remove; NULL: all versions but `current` */
    Template *current;
    char **in_use;
} Removal;

static void
removal_free(gpointer data)
{
    Removal *removal = data;
    Host *host = removal->host;

    template_files_free(removal->gone);
    template_unref(removal->current);
    g_strfreev(removal->in_use);
    g_free(removal);
    host_release(host);
}

static void
remove_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Removal *removal = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = removal->gone
                      ? template_files_remove(removal->gone, &error)
                      : template_files_remove_others(removal->current->files,
                                                     (const char *const *)removal->in_use, &error);

    if (!ok)
        g_warning("%s", error->message);
    g_task_return_boolean(task, TRUE);
}

static void
on_files_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    removal_free(data);
}

static void
start_removal(Templates *templates, TemplateFiles *gone, Template *current)
{
    Removal *removal = g_new0(Removal, 1);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_files_removed, removal);

    removal->host = templates->host;
    host_hold(removal->host);
    removal->gone = gone;
    removal->current = current ? template_ref(current) : NULL;
    removal->in_use = templates_in_use(templates);
    g_task_set_task_data(task, removal, NULL);
    g_task_run_in_thread(task, remove_in_thread);
}

/* --- events of templates --- */

static void
on_changed(Template *template, gpointer data)
{
    Templates *templates = data;

    if (template->snapshot)
        templates->events->changed(template, templates->events_data);
    if (templates_find(templates, template->name) != template)
        return;
    if (template->state == TEMPLATE_READY &&
        g_hash_table_remove(templates->outdated, template->name) && !templates->is_stopped)
        start_removal(templates, /* gone= */ NULL, template);
    templates->events->changed(template, templates->events_data);
}

static gboolean
is_in_use(const Templates *templates, const char *version)
{
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, templates->existing);
    while (g_hash_table_iter_next(&iter, &template, NULL)) {
        const TemplateFiles *files = ((const Template *)template)->files;

        if (files && g_str_equal(files->version, version))
            return TRUE;
    }
    return FALSE;
}

/* Until the installed template is ready, nobody knows which version it will use. */
static void
on_released(Template *template, gpointer data)
{
    Templates *templates = data;
    Template *current = templates_find(templates, template->name);

    g_hash_table_remove(templates->existing, template);
    if (template->snapshot)
        templates->events->snapshot_released(template, templates->events_data);
    if (templates->is_stopped || templates->host->machines_stay || !template->files ||
        is_in_use(templates, template->files->version))
        return;
    if (!current)
        start_removal(templates, g_steal_pointer(&template->files), /* current= */ NULL);
    else if (current->state == TEMPLATE_READY)
        start_removal(templates, /* gone= */ NULL, current);
    else
        g_hash_table_add(templates->outdated, g_strdup(template->name));
}

static const TemplateEvents template_events = {on_changed, on_released};

void
templates_follow(Templates *templates, Template *template)
{
    g_hash_table_add(templates->existing, template);
    template_watch(template, &template_events, templates);
}

/* --- what is installed --- */

void
templates_add(Templates *templates, Template *template)
{
    g_assert(!templates_find(templates, template->name));
    g_hash_table_insert(templates->installed, template->name, template);
    templates_follow(templates, template);
    templates->events->added(template, templates->events_data);
}

void
templates_remove(Templates *templates, Template *template)
{
    g_hash_table_remove(templates->installed, template->name);
    templates->events->removed(template, templates->events_data);
    template_unref(template);
}

Template *
templates_find(const Templates *templates, const char *name)
{
    return g_hash_table_lookup(templates->installed, name);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Template *)a)->name, ((const Template *)b)->name);
}

GList *
templates_list(const Templates *templates)
{
    return g_list_sort(g_hash_table_get_values(templates->installed), compare_names);
}

/* --- what is in use --- */

static Template *
find_version(const Templates *templates, const char *name, const char *key)
{
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, templates->existing);
    while (key && g_hash_table_iter_next(&iter, &template, NULL))
        if (!((const Template *)template)->snapshot &&
            g_str_equal(((const Template *)template)->name, name) &&
            g_strcmp0(template_key(template), key) == 0)
            return template;
    return NULL;
}

static void
use_files(const Templates *templates, Template *template, const char *key)
{
    TemplateFiles *files = template_files_new(templates->host->store, template->name, key,
                                              /* image= */ "", /* accelerator= */ "");

    template_check(template, files);
    template->kept = template_files_keep_image(files);
}

Template *
templates_adopt(Templates *templates, const Record *record)
{
    Template *template = find_version(templates, record->template, record->template_key);

    if (template)
        return template_ref(template);
    template = template_new(record->template);
    g_free(template->user);
    template->user = g_strdup(record->user);
    g_strfreev(template->languages);
    template->languages = g_strdupv(record->languages);
    template->vcpus = record->vcpus;
    template->memory_mib = record->memory_mib;
    template->disk_mib = record->disk_mib;
    if (record->template_key)
        use_files(templates, template, record->template_key);
    templates_follow(templates, template);
    return template;
}

char **
templates_in_use(const Templates *templates)
{
    g_autoptr(GStrvBuilder) versions = g_strv_builder_new();
    GHashTableIter iter;
    gpointer template;

    g_hash_table_iter_init(&iter, templates->existing);
    while (g_hash_table_iter_next(&iter, &template, NULL))
        if (((const Template *)template)->files)
            g_strv_builder_add(versions, ((const Template *)template)->files->version);
    return g_strv_builder_end(versions);
}

/* --- life --- */

Templates *
templates_new(Host *host, const TemplatesEvents *events, gpointer data)
{
    Templates *templates = g_new0(Templates, 1);

    templates->host = host;
    templates->events = events;
    templates->events_data = data;
    templates->installed = g_hash_table_new(g_str_hash, g_str_equal);
    templates->existing = g_hash_table_new(NULL, NULL);
    templates->outdated = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return templates;
}

void
templates_stop(Templates *templates)
{
    templates->is_stopped = TRUE;
}

void
templates_free(Templates *templates)
{
    GHashTableIter iter;
    gpointer template;

    templates_stop(templates);
    g_hash_table_iter_init(&iter, templates->existing);
    while (g_hash_table_iter_next(&iter, &template, NULL))
        template_watch(template, /* events= */ NULL, NULL);
    g_hash_table_iter_init(&iter, templates->installed);
    while (g_hash_table_iter_next(&iter, NULL, &template))
        template_unref(template);
    g_hash_table_unref(templates->installed);
    g_hash_table_unref(templates->existing);
    g_hash_table_unref(templates->outdated);
    g_free(templates);
}
