/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store: the values of secrets in files. */
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "egress-protocol.h"
#include "util.h"

#define FOLDER "secrets"

struct Store {
    char *folder; /* NULL: nothing is kept */
};

Store *
store_new(const char *folder, GError **error)
{
    g_autofree char *path = folder ? g_build_filename(folder, FOLDER, NULL) : NULL;
    Store *store;

    if (path && g_mkdir_with_parents(path, 0700) < 0) {
        util_set_errno(error, errno, "Cannot make the folder '%s'", path);
        return NULL;
    }
    store = g_new0(Store, 1);
    store->folder = g_steal_pointer(&path);
    return store;
}

void
store_free(Store *store)
{
    g_free(store->folder);
    g_free(store);
}

static char *
folder_of(const Store *store, const char *id)
{
    return g_build_filename(store->folder, id, NULL);
}

static char *
file_of(const Store *store, const char *id, const char *key)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);

    return g_build_filename(store->folder, id, digest, NULL);
}

gboolean
store_put(Store *store, const char *id, const char *key, const void *value, gsize size,
          GError **error)
{
    g_autofree char *folder = NULL, *file = NULL;

    if (!store->folder)
        return TRUE;
    folder = folder_of(store, id);
    file = file_of(store, id, key);
    if (g_mkdir(folder, 0700) < 0 && errno != EEXIST)
        return util_set_errno(error, errno, "Cannot make the folder '%s'", folder);
    return g_file_set_contents_full(file, value, (gssize)size, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                    error);
}

char *
store_get(const Store *store, const char *id, const char *key, gsize *ret_size)
{
    g_autofree char *file = store->folder ? file_of(store, id, key) : NULL;
    char *value = NULL;

    if (file && g_file_get_contents(file, &value, ret_size, /* error= */ NULL) &&
        *ret_size <= NET_SECRET_VALUE_MAX)
        return value;
    g_free(value);
    return NULL;
}

static gboolean
is_wanted(const char *name, char **keys)
{
    for (char **key = keys; *key; key++) {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, *key, -1);

        if (g_str_equal(digest, name))
            return TRUE;
    }
    return FALSE;
}

void
store_keep(Store *store, const char *id, char **keys)
{
    g_autofree char *folder = store->folder ? folder_of(store, id) : NULL;
    g_autoptr(GDir) dir = folder ? g_dir_open(folder, 0, /* error= */ NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(folder, name, NULL);

        if (!is_wanted(name, keys))
            g_unlink(file);
    }
    if (dir)
        g_rmdir(folder); /* if it is empty */
}

void
store_remove(Store *store, const char *id)
{
    g_autofree char *folder = store->folder ? folder_of(store, id) : NULL;
    g_autoptr(GError) error = NULL;

    if (folder && !util_remove_tree(folder, &error))
        g_warning("Cannot remove the secrets of sandbox %s: %s", id, error->message);
}

char **
store_list(const Store *store)
{
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
    g_autoptr(GDir) dir = store->folder ? g_dir_open(store->folder, 0, /* error= */ NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (strlen(name) < EGRESS_ID_SIZE)
            g_strv_builder_add(ids, name);
    return g_strv_builder_end(ids);
}
