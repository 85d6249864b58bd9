/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store: the folders, and what an earlier life left in them. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

/* Machines' users pass through to what is their own, and see no names. */
#define SEARCHED_MODE 0710
#define PRIVATE_MODE 0700
/* Whoever runs libvirt inside passes through. */
#define RUN_MODE 0711

static gboolean
make_folder(const Store *store, const char *path, mode_t mode, GError **error)
{
    if (!util_make_directory(path, mode, error))
        return FALSE;
    if (store->gid != (gid_t)-1 && chown(path, (uid_t)-1, store->gid) < 0)
        return util_set_errno(error, errno, "Cannot give '%s' to the machines' group", path);
    return TRUE;
}

gboolean
store_make_folder(const Store *store, const char *path, GError **error)
{
    return make_folder(store, path, SEARCHED_MODE, error);
}

gboolean
store_share(const Store *store, const char *path, GError **error)
{
    if (store->gid != (gid_t)-1 && chown(path, (uid_t)-1, store->gid) < 0)
        return util_set_errno(error, errno, "Cannot give '%s' to the machines' group", path);
    if (chmod(path, 0640) < 0)
        return util_set_errno(error, errno, "Cannot set the mode of '%s'", path);
    return TRUE;
}

/* The kernel releases it with the process, however that ends. */
static gboolean
lock_state(Store *store, GError **error)
{
    store->lock = open(store->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock < 0)
        return util_set_errno(error, errno, "Cannot open the folder '%s'", store->state);
    if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    if (errno != EWOULDBLOCK)
        return util_set_errno(error, errno, "Cannot lock the folder '%s'", store->state);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "Another cloched uses the folder '%s'",
                store->state);
    return FALSE;
}

static gboolean
find_group(const char *name, gid_t *ret_gid, GError **error)
{
    const struct group *group = getgrnam(name);

    if (!group) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "There is no group '%s': [Machines] Group= of cloched.conf names the one that "
                    "machines run in",
                    name);
        return FALSE;
    }
    *ret_gid = group->gr_gid;
    return TRUE;
}

static gboolean
make_folders(Store *store, GError **error)
{
    const struct {
        const char *parent, *name;
        mode_t mode;
    } folders[] = {
        {store->state, "templates", SEARCHED_MODE},
        {store->state, "machines", SEARCHED_MODE},
        {store->state, "sandboxes", PRIVATE_MODE},
        {store->ram, "", SEARCHED_MODE},
        {store->run, "", RUN_MODE},
        {store->run, "machines", PRIVATE_MODE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(folders[i].parent, folders[i].name, NULL);

        if (!make_folder(store, path, folders[i].mode, error))
            return FALSE;
    }
    return TRUE;
}

Store *
store_open(const char *state, const char *ram, const char *run, const char *group, GError **error)
{
    g_autoptr(Store) store = g_new0(Store, 1);

    store->state = g_strdup(state);
    store->ram = g_strdup(ram);
    store->run = g_strdup(run);
    store->gid = (gid_t)-1;
    store->lock = -1;
    if ((group && !find_group(group, &store->gid, error)) ||
        !make_folder(store, state, SEARCHED_MODE, error) || !lock_state(store, error) ||
        !make_folders(store, error))
        return NULL;
    return g_steal_pointer(&store);
}

void
store_free(Store *store)
{
    if (!store)
        return;
    g_free(store->state);
    g_free(store->ram);
    g_free(store->run);
    if (store->lock >= 0)
        close(store->lock);
    g_free(store);
}

/* --- remains --- */

/* Removes what is in the folder and for which `is_needed` says no; what cannot be removed is told.
 */
static guint
sweep(const char *parent, const char *name,
      gboolean (*is_needed)(const char *entry, const char *const *keep), const char *const *keep)
{
    g_autofree char *path = g_build_filename(parent, name, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry;
    guint count = 0;

    while (dir && (entry = g_dir_read_name(dir))) {
        g_autofree char *old = g_build_filename(path, entry, NULL);
        g_autoptr(GError) error = NULL;

        if (is_needed(entry, keep))
            continue;
        if (util_remove_tree(old, &error))
            count++;
        else
            g_warning("%s", error->message);
    }
    return count;
}

static gboolean
is_kept(const char *entry, const char *const *keep)
{
    return g_strv_contains(keep, entry);
}

static gboolean
is_finished(const char *entry, const char *const *keep)
{
    return !g_str_has_prefix(entry, ".new-");
}

/* NAME-KEY, where keys have no dash. */
static gboolean
is_of_template(const char *entry, const char *const *names)
{
    const char *dash = strrchr(entry, '-');
    g_autofree char *name = dash ? g_strndup(entry, (gsize)(dash - entry)) : NULL;

    return name && g_strv_contains(names, name);
}

guint
store_sweep(const Store *store, const char *const *keep)
{
    g_auto(GStrv) templates = image_list(store);

    return sweep(store->state, "machines", is_kept, keep) +
           sweep(store->run, "machines", is_kept, keep) +
           sweep(store->state, "sandboxes", is_kept, keep) +
           sweep(store->state, "templates", is_finished, NULL) +
           sweep(store->ram, "", is_of_template, (const char *const *)templates);
}

void
store_clear_ram(const Store *store)
{
    static const char *const none[] = {NULL};

    sweep(store->ram, "", is_kept, none);
}
