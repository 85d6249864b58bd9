/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-share: decides whose machines stop when the host's disk runs short.
 *
 * Disks of sandboxes may grow to more than the host has. Two rules keep room for other users' disks
 * and for the service's records:
 *
 * - A user's disks take at most a share of what all disks take and what is free.
 * - When less than a reserve is free, the machines of the user who takes most stop. The others may
 *   write into the reserve; when half of it is gone, the next user's machines stop, and so on.
 *
 * A user whose disks take less than the reserve is never stopped: other files fill the disk then,
 * and only machines that write and find no space need to stop, which QEMU does.
 *
 * Machines run again when there is a quarter more space than the bound at which they stopped.
 */
#pragma once

#include <glib.h>

/* The reserve is this part of the file system, and no more than the maximum. */
#define DISK_RESERVE_PART 20u
#define DISK_RESERVE_MAX ((guint64)4 * 1024 * 1024 * 1024)

typedef struct {
    guint64 used;           /* bytes that the user's disks take now */
    gboolean is_over_share; /* what disk_share_judge() decided */
    gboolean is_low;        /* it stopped because the disk is short of space */
} DiskUser;

typedef struct {
    guint64 size, free;    /* bytes of the file system */
    guint64 share_percent; /* of one user */
} DiskSpace;

/* Updates the decisions. `users` maps uids to DiskUser. */
void disk_share_judge(GHashTable *users, const DiskSpace *space);
gboolean disk_user_is_held(const DiskUser *user);
guint64 disk_share_reserve(const DiskSpace *space);
