/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store: opens the folders, and adapts what another configuration left in them. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "keyed-digest-private.h"
#include "names.h"
#include "ownership.h"
#include "util.h"

/* Machines' users can search the folder but not list it. */
#define SEARCHED_MODE 0710
#define PRIVATE_MODE 0700
/* QEMU's user must reach the folder of an embedded libvirt, which is in it. */
#define RUN_MODE 0711

#define LOCK_TRIES 20u
#define LOCK_PAUSE_US (50 * 1000)

static gboolean
make_folder(const Store *store, const char *place, const char *path, mode_t mode, GError **error)
{
    const Ownership wanted = {.type = S_IFDIR, .mode = mode, .gid = store->gid, .folder = place};

    return ownership_set_folder(path, &wanted, error);
}

gboolean
store_make_folder(const Store *store, const char *path, GError **error)
{
    return make_folder(store, store->state, path, SEARCHED_MODE, error);
}

/*
 * The kernel releases the lock when the process ends in any way. But a child that the process
 * forked shares the lock until it executes its program, so the lock is tried again for a second.
 */
static gboolean
take_lock(int fd)
{
    for (guint tries = 1; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return FALSE;
        g_usleep(LOCK_PAUSE_US);
    }
    return TRUE;
}

static gboolean
lock_state(Store *store, GError **error)
{
    store->lock = open(store->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock < 0)
        return util_set_errno(error, errno, "Cannot open the folder '%s'", store->state);
    if (take_lock(store->lock))
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
                    "There is no group '%s'. [Machines] Group= in cloched.conf sets the group that "
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
        {store->state, "snapshots", SEARCHED_MODE},
        {store->run, "", RUN_MODE},
        {store->ram, "", SEARCHED_MODE}, /* it may be below `run` */
        {store->run, "machines", PRIVATE_MODE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(folders[i].parent, folders[i].name, NULL);

        if (!make_folder(store, folders[i].parent, path, folders[i].mode, error))
            return FALSE;
    }
    return TRUE;
}

char **
store_list_records(const Store *store)
{
    g_autofree char *path = g_build_filename(store->state, "sandboxes", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (record_id_is_valid(name))
            g_strv_builder_add(ids, name);
    return g_strv_builder_end(ids);
}

/* --- files of another configuration or version --- */

/* FALSE only when an administrator has to act first. Other errors appear again when the file is
 * used.
 */
static gboolean
is_usable(gboolean ok, GError *failure, GError **error)
{
    if (ok || !g_error_matches(failure, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED)) {
        g_clear_error(&failure);
        return TRUE;
    }
    g_propagate_error(error, failure);
    return FALSE;
}

gboolean
store_make_readable(const Store *store, const char *path, mode_t type, GError **error)
{
    g_autofree char *images = g_build_filename(store->state, "images", NULL);
    const Ownership wanted = {.type = type, .gid = store->gid, .folder = images};
    GError *failure = NULL;
    gboolean ok = ownership_make_readable(path, &wanted, &failure);

    return is_usable(ok, failure, error);
}

/* The service would end the sandbox of a record that it cannot read. */
static gboolean
adapt_records(const Store *store, GError **error)
{
    const Ownership wanted = {
        .type = S_IFREG, .mode = 0600, .gid = OWNERSHIP_ANY_GROUP, .folder = store->state};
    g_auto(GStrv) ids = store_list_records(store);

    for (char **id = ids; *id; id++) {
        g_autofree char *path = g_build_filename(store->state, "sandboxes", *id, NULL);
        GError *failure = NULL;
        gboolean ok = ownership_set(path, &wanted, &failure);

        if (!is_usable(ok, failure, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
adapt_all(const Store *store, GError **error)
{
    g_autofree char *images = g_build_filename(store->state, "images", NULL);

    return adapt_records(store, error) && store_make_readable(store, images, S_IFDIR, error);
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
        !make_folder(store, state, state, SEARCHED_MODE, error) || !lock_state(store, error) ||
        !make_folders(store, error) || !secret_load(store->run, store->key, error) ||
        !adapt_all(store, error))
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

char *
store_crash_path(const Store *store)
{
    return g_build_filename(store->run, "crashed", NULL);
}

gboolean
store_take_crash(const Store *store)
{
    g_autofree char *path = store_crash_path(store);

    return unlink(path) == 0;
}
