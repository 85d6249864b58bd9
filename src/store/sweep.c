/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sweep: removes files and folders that the previous instance of the service left. */
#include <string.h>

#include "folder.h"
#include "names.h"
#include "snapshot.h"
#include "util.h"

static gboolean
remove_entry(DIR *dir, const char *path, const char *name)
{
    g_autoptr(GError) error = NULL;

    if (util_remove_tree_at(dirfd(dir), name, &error))
        return TRUE;
    g_warning("%s: %s", path, error->message);
    return FALSE;
}

/* Removes the entries of the folder whose name `is_ours` and which are not needed. Entries that
 * cannot be removed, and those that the service cannot have made, are logged. */
static guint
sweep(const char *parent, const char *name, gboolean (*is_ours)(const char *entry),
      gboolean (*is_needed)(const char *entry, const char *const *keep), const char *const *keep)
{
    g_autofree char *path = g_build_filename(parent, name, NULL);
    g_autoptr(GError) error = NULL;
    DIR *dir = folder_list(path, &error);
    const struct dirent *entry;
    guint count = 0;

    if (!dir) {
        g_warning("%s", error->message);
        return 0;
    }
    while ((entry = readdir(dir))) {
        if (g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, "..") ||
            is_needed(entry->d_name, keep))
            continue;
        if (!is_ours(entry->d_name))
            g_message("'%s/%s' does not belong to this service and is not removed", path,
                      entry->d_name);
        else if (remove_entry(dir, path, entry->d_name))
            count++;
    }
    closedir(dir);
    return count;
}

static gboolean
is_of_sandbox(const char *entry)
{
    return record_id_is_valid(entry);
}

/* ID, or an unfinished write of it: ID.new, ID.new.XXXXXX. */
static gboolean
is_record(const char *entry)
{
    const char *dot = strchr(entry, '.');
    g_autofree char *id = dot ? g_strndup(entry, (gsize)(dot - entry)) : g_strdup(entry);

    return record_id_is_valid(id) && (!dot || g_str_has_prefix(dot, ".new"));
}

/* ID, or ID.new, which is being made or removed. */
static gboolean
is_snapshot(const char *entry)
{
    g_autofree char *id =
        g_str_has_suffix(entry, ".new") ? g_strndup(entry, strlen(entry) - 4) : g_strdup(entry);

    return record_id_is_valid(id);
}

/* The ids of the snapshots that are complete. */
static char **
whole_snapshots(const Store *store)
{
    g_auto(GStrv) ids = snapshot_list(store);
    g_autoptr(GStrvBuilder) whole = g_strv_builder_new();

    for (char **id = ids; *id; id++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Snapshot) snapshot = snapshot_load(store, *id, &error);

        if (snapshot)
            g_strv_builder_add(whole, *id);
        else
            g_warning("The snapshot '%s' is damaged and is removed: %s", *id, error->message);
    }
    return g_strv_builder_end(whole);
}

/* .new-NAME-KEY. */
static gboolean
is_unfinished(const char *entry)
{
    return g_str_has_prefix(entry, ".new-");
}

/* NAME-KEY. */
static gboolean
is_ram(const char *entry)
{
    const char *dash = strrchr(entry, '-');
    g_autofree char *name = dash ? g_strndup(entry, (gsize)(dash - entry)) : NULL;

    return name && image_name_is_valid(name) && dash[1] &&
           strspn(dash + 1, "0123456789abcdef") == strlen(dash + 1);
}

static gboolean
is_kept(const char *entry, const char *const *keep)
{
    return g_strv_contains(keep, entry);
}

static gboolean
is_finished(const char *entry, const char *const *keep)
{
    return !is_unfinished(entry);
}

/* The RAM files that are kept: versions in use, and all of installed templates. */
static char **
needed_ram(const Store *store, const char *const *in_use)
{
    g_auto(GStrv) names = image_list(store);
    g_autoptr(GDir) dir = g_dir_open(store->ram, 0, NULL);
    g_autoptr(GStrvBuilder) needed = g_strv_builder_new();
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir))) {
        const char *dash = strrchr(entry, '-'); /* NAME-KEY; keys contain no dash */
        g_autofree char *name = dash ? g_strndup(entry, (gsize)(dash - entry)) : NULL;

        if (g_strv_contains(in_use, entry) ||
            (name && g_strv_contains((const char *const *)names, name)))
            g_strv_builder_add(needed, entry);
    }
    return g_strv_builder_end(needed);
}

guint
store_sweep(const Store *store, const char *const *keep, const char *const *in_use)
{
    g_auto(GStrv) ram = needed_ram(store, in_use);

    return sweep(store->state, "machines", is_of_sandbox, is_kept, keep) +
           sweep(store->run, "machines", is_of_sandbox, is_kept, keep) +
           sweep(store->state, "sandboxes", is_record, is_kept, keep) +
           sweep(store->state, "templates", is_unfinished, is_finished, NULL) +
           sweep(store->ram, "", is_ram, is_kept, (const char *const *)ram);
}

guint
store_sweep_snapshots(const Store *store)
{
    g_auto(GStrv) whole = whole_snapshots(store);

    return sweep(store->state, "snapshots", is_snapshot, is_kept, (const char *const *)whole);
}

void
store_clear_ram(const Store *store)
{
    static const char *const none[] = {NULL};

    sweep(store->ram, "", is_ram, is_kept, none);
}
