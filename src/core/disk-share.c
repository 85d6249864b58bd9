/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-share: decides whose machines stop when the host's disk runs short. */
#include "disk-share.h"

guint64
disk_share_reserve(const DiskSpace *space)
{
    return MIN(space->size / DISK_RESERVE_PART, DISK_RESERVE_MAX);
}

gboolean
disk_user_is_held(const DiskUser *user)
{
    return user->is_over_share || user->is_low;
}

static void
judge_shares(GHashTable *users, const DiskSpace *space)
{
    guint64 all = space->free, share;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, users);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        all += ((const DiskUser *)value)->used;
    share = MAX(all / 100 * space->share_percent, disk_share_reserve(space));
    g_hash_table_iter_init(&iter, users);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        DiskUser *user = value;

        if (user->used > share)
            user->is_over_share = TRUE;
        else if (user->used <= share / 5 * 4)
            user->is_over_share = FALSE;
    }
}

/* Returns the user whose disks take most, among those whose sandboxes run and take more than the
 * reserve; NULL: there is no such user. */
static DiskUser *
find_largest(GHashTable *users, guint64 reserve, guint *ret_stopped)
{
    DiskUser *largest = NULL;
    GHashTableIter iter;
    gpointer value;

    *ret_stopped = 0;
    g_hash_table_iter_init(&iter, users);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        DiskUser *user = value;

        if (user->is_low)
            (*ret_stopped)++;
        else if (!user->is_over_share && user->used > (largest ? largest->used : reserve))
            largest = user;
    }
    return largest;
}

static void
release_all(GHashTable *users)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, users);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((DiskUser *)value)->is_low = FALSE;
}

void
disk_share_judge(GHashTable *users, const DiskSpace *space)
{
    guint64 reserve = disk_share_reserve(space);
    DiskUser *largest;
    guint stopped;

    judge_shares(users, space);
    if (space->free >= reserve / 4 * 5) {
        release_all(users);
        return;
    }
    largest = find_largest(users, reserve, &stopped);
    if (largest && space->free < reserve >> MIN(stopped, 63))
        largest->is_low = TRUE;
}
