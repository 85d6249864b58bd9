/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store: the folders, what an earlier life left in them, and the records of sandboxes. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

/* Set-group-id, so that all files get QEMU's group; nobody else looks in. */
#define SHARED_MODE 02770

static gboolean
make_folder(const char *path, const char *group, GError **error)
{
    struct group *gr = group ? getgrnam(group) : NULL;

    if (!util_make_directory(path, SHARED_MODE, error))
        return FALSE;
    if (gr && (chown(path, (uid_t)-1, gr->gr_gid) < 0))
        return util_set_errno(error, errno, "Cannot give '%s' to the group %s", path, group);
    return util_make_directory(path, SHARED_MODE, error); /* chown took the set-group-id bit */
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

Store *
store_open(const char *state, const char *ram, const char *run, const char *group, GError **error)
{
    static const char *const in_state[] = {"templates", "machines", "sandboxes"};
    g_autoptr(Store) store = g_new0(Store, 1);
    g_autofree char *machines = g_build_filename(run, "machines", NULL);

    store->state = g_strdup(state);
    store->ram = g_strdup(ram);
    store->run = g_strdup(run);
    store->lock = -1;
    if (!make_folder(state, group, error) || !lock_state(store, error) ||
        !make_folder(ram, group, error) || !make_folder(run, group, error) ||
        !make_folder(machines, group, error))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(in_state); i++) {
        g_autofree char *path = g_build_filename(state, in_state[i], NULL);

        if (!make_folder(path, group, error))
            return NULL;
    }
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

/* Removes all in the folder whose name begins with `prefix`. */
static gboolean
sweep(const char *parent, const char *name, const char *prefix, GError **error)
{
    g_autofree char *path = g_build_filename(parent, name, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir))) {
        g_autofree char *old = g_build_filename(path, entry, NULL);

        if (g_str_has_prefix(entry, prefix) && !util_remove_tree(old, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
store_sweep(const Store *store, GError **error)
{
    return sweep(store->state, "machines", "", error) && sweep(store->run, "machines", "", error) &&
           sweep(store->state, "sandboxes", "", error) &&
           sweep(store->state, "templates", ".new-", error);
}

static char *
record_path(const Store *store, const char *id)
{
    return g_build_filename(store->state, "sandboxes", id, NULL);
}

gboolean
record_write(const Store *store, const Record *record, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *path = record_path(store, record->id), *text = NULL;
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    static const char section[] = "Sandbox";
    gsize length;

    g_key_file_set_string(file, section, "Id", record->id);
    g_key_file_set_string(file, section, "Name", record->name);
    g_key_file_set_string(file, section, "Template", record->template);
    g_key_file_set_string(file, section, "Machine", record->machine);
    g_key_file_set_uint64(file, section, "Owner", record->owner);
    g_key_file_set_int64(file, section, "Created", record->created_us);
    g_key_file_set_int64(file, section, "Deadline", record->deadline_us);
    g_key_file_set_string_list(file, section, "Metadata", (const char *const *)record->metadata,
                               g_strv_length(record->metadata));
    if (record->idempotency_key)
        g_key_file_set_string(file, section, "IdempotencyKey", record->idempotency_key);
    text = g_key_file_to_data(file, &length, NULL);
    /* Atomic, but not durable: after a crash of the host no machine lives that it could describe.
     */
    if (!g_file_set_contents_full(fresh, text, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600,
                                  error))
        return FALSE;
    if (g_rename(fresh, path) < 0)
        return util_set_errno(error, errno, "Cannot write the record '%s'", path);
    return TRUE;
}

void
record_remove(const Store *store, const char *id)
{
    g_autofree char *path = record_path(store, id);

    unlink(path);
}
