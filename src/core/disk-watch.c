/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-watch: stops the machines of users who take too much of the host's disk. */
#include "disk-watch.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core-private.h"
#include "disk-share.h"
#include "journal.h"
#include "sandbox.h"

#define LOOK_S 1
#define BLOCK_BYTES 512 /* of st_blocks */

struct DiskWatch {
    Core *core;
    GHashTable *users; /* uid → DiskUser, of users whose sandboxes take space */
    guint timer;       /* 0: no sandbox runs */
};

static DiskUser *
user_of(DiskWatch *watch, guint32 uid)
{
    gpointer key = GUINT_TO_POINTER(uid);
    DiskUser *user = g_hash_table_lookup(watch->users, key);

    if (!user) {
        user = g_new0(DiskUser, 1);
        g_hash_table_insert(watch->users, key, user);
    }
    return user;
}

/* A machine that is being adopted is not known yet, and is held from its adoption on. */
static guint64
disk_usage(const Sandbox *sandbox)
{
    g_autofree char *path = sandbox->instance ? instance_disk(sandbox->instance) : NULL;
    struct stat st;

    return path && stat(path, &st) == 0 ? (guint64)st.st_blocks * BLOCK_BYTES : 0;
}

/* A user without sandboxes, or whose disks are empty, has nothing to stop for. */
static gboolean
uses_nothing(gpointer uid, gpointer value, gpointer data)
{
    return ((const DiskUser *)value)->used == 0;
}

static void
measure(DiskWatch *watch)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, watch->users);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((DiskUser *)value)->used = 0;
    g_hash_table_iter_init(&iter, watch->core->sandboxes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Sandbox *sandbox = value;

        user_of(watch, sandbox->owner)->used += disk_usage(sandbox);
    }
    g_hash_table_foreach_remove(watch->users, uses_nothing, NULL);
}

static void
apply(DiskWatch *watch)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, watch->core->sandboxes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Sandbox *sandbox = value;
        const DiskUser *user = g_hash_table_lookup(watch->users, GUINT_TO_POINTER(sandbox->owner));

        if (sandbox->instance)
            instance_hold(sandbox->instance, INSTANCE_HELD_FOR_DISK,
                          user && disk_user_is_held(user));
    }
}

/* Logs each change of a decision. */
static void
judge(DiskWatch *watch, const DiskSpace *space)
{
    g_autoptr(GHashTable) before = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer uid, user;

    g_hash_table_iter_init(&iter, watch->users);
    while (g_hash_table_iter_next(&iter, &uid, &user))
        if (disk_user_is_held(user))
            g_hash_table_add(before, uid);
    disk_share_judge(watch->users, space);
    g_hash_table_iter_init(&iter, watch->users);
    while (g_hash_table_iter_next(&iter, &uid, &user))
        if (disk_user_is_held(user) != g_hash_table_contains(before, uid))
            journal_disk_held(GPOINTER_TO_UINT(uid), disk_user_is_held(user),
                              ((const DiskUser *)user)->used, space->free);
}

/* Runs in the main loop: QEMU has the files open, so their inodes are in memory, and stat() does
 * not wait for the disk. With 1000 machines, it takes about 2 ms. */
static gboolean
on_timer(gpointer data)
{
    DiskWatch *watch = data;
    Core *core = watch->core;
    DiskSpace space = {.share_percent = core->config.disk_use_percent};
    g_autofree char *folder = g_build_filename(core->host.store->state, "machines", NULL);
    struct statvfs fs;

    if (core->is_stopping || g_hash_table_size(core->sandboxes) == 0) {
        g_hash_table_remove_all(watch->users);
        watch->timer = 0;
        return G_SOURCE_REMOVE;
    }
    if (statvfs(folder, &fs) < 0)
        return G_SOURCE_CONTINUE;
    space.size = (guint64)fs.f_blocks * fs.f_frsize;
    space.free = (guint64)fs.f_bavail * fs.f_frsize;
    measure(watch);
    judge(watch, &space);
    apply(watch);
    return G_SOURCE_CONTINUE;
}

DiskWatch *
disk_watch_new(Core *core)
{
    DiskWatch *watch = g_new0(DiskWatch, 1);

    watch->core = core;
    watch->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return watch;
}

void
disk_watch_begin(DiskWatch *watch)
{
    if (watch->timer == 0)
        watch->timer = g_timeout_add_seconds(LOOK_S, on_timer, watch);
}

void
disk_watch_free(DiskWatch *watch)
{
    g_clear_handle_id(&watch->timer, g_source_remove);
    g_hash_table_unref(watch->users);
    g_free(watch);
}
