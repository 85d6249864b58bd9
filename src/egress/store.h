/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: the values of secrets in files, for workers that are made anew after a restart.
 *
 * Each sandbox has a folder, each value a file whose name is a digest of the secret's key
 * (secrets.h). Only our user can read them. Main context only.
 *
 * The folder is one of the host's boot, on a tmpfs: no sandbox outlives the boot, no value is on a
 * disk, and the master, which serves all sandboxes, never waits for one.
 */
#pragma once

#include <glib.h>

typedef struct Store Store;

/* `folder`: the run-time folder of the service; NULL: nothing is kept. */
Store *store_new(const char *folder, GError **error);
void store_free(Store *store);

gboolean store_put(Store *store, const char *id, const char *key, const void *value, gsize size,
                   GError **error);
/* Returns the value, which secret_file_free() frees, or NULL. */
char *store_get(const Store *store, const char *id, const char *key, gsize *ret_size);
/* Removes the values of all secrets of a sandbox but those with these keys. */
void store_keep(Store *store, const char *id, char **keys);
void store_remove(Store *store, const char *id);
/* Returns the ids of all sandboxes with values; to be freed by g_strfreev(). */
char **store_list(const Store *store);
