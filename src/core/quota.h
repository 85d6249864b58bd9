/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quota: what users have, and how much each user and all users together may have.
 *
 * Resources are charged before the work begins, and released in one place when it ends. When a
 * limit becomes lower than what is in use, nothing is taken away, and nothing more is granted.
 */
#pragma once

#include "budget.h"
#include "slots.h"

typedef enum {
    QUOTA_SANDBOXES,
    QUOTA_MEMORY_MIB,
    QUOTA_VCPUS,
    QUOTA_DISK_MIB,     /* the sizes to which disks may grow */
    QUOTA_PROCESSES,    /* operations under way */
    QUOTA_CREATES,      /* creations under way */
    QUOTA_CONNECTIONS,  /* that networks of sandboxes may have at once */
    QUOTA_TRAFFIC_MIB,  /* that networks of sandboxes may move in all */
    QUOTA_SNAPSHOTS,    /* that their owner has not removed */
    QUOTA_SNAPSHOT_MIB, /* that snapshots take on disk, removed ones included */
    _QUOTA_MAX,
} QuotaResource;

/* Bytes that the service holds for the operations of a user, and of all users: standard input and
 * code that the guest has not taken yet, output, results and answers of tasks, the arguments of
 * processes, and frames that a guest does not read (unsent.h). */
#define QUOTA_BUFFERS_EACH (64u * 1024 * 1024)
#define QUOTA_BUFFERS_ALL (384u * 1024 * 1024)
#define QUOTA_BUFFERS_NAME "buffer-size"

/* "sandboxes", "memory-mib", … */
const char *quota_resource_name(QuotaResource resource);

typedef struct {
    guint64 amount[_QUOTA_MAX]; /* as a limit: G_MAXUINT64 is unlimited */
} QuotaAmounts;

typedef struct Quota Quota;

Quota *quota_new(const QuotaAmounts *all, const QuotaAmounts *each);
void quota_free(Quota *quota);
void quota_set_limits(Quota *quota, const QuotaAmounts *all, const QuotaAmounts *each);

/* Charges all of `what`, or nothing. CLOCHE_ERROR_QUOTA_EXCEEDED names the limit, the amount in
 * use, and the setting that raises it. */
gboolean quota_charge(Quota *quota, guint32 uid, const QuotaAmounts *what, GError **error);
/* Charges what exists already, beyond the limits if necessary. */
void quota_charge_anyway(Quota *quota, guint32 uid, const QuotaAmounts *what);
void quota_release(Quota *quota, guint32 uid, const QuotaAmounts *what);

/* The user's part of the buffers; the quota owns it. */
Budget *quota_buffers(Quota *quota, guint32 uid);
/* The slots of the user's sandboxes for large frames (large-frames.h); the quota owns them. */
Slots *quota_large_frames(Quota *quota, guint32 uid);
/* Takes bytes of the buffers. CLOCHE_ERROR_QUOTA_EXCEEDED names the limit and the amount in use. */
gboolean quota_take_buffers(Quota *quota, guint32 uid, gsize bytes, GError **error);
/* Bytes in use. */
gsize quota_buffers_used(const Quota *quota, guint32 uid);
gsize quota_buffers_used_by_all(const Quota *quota);

QuotaAmounts quota_used(const Quota *quota, guint32 uid);
QuotaAmounts quota_used_by_all(const Quota *quota);
const QuotaAmounts *quota_limits_of_all(const Quota *quota);
const QuotaAmounts *quota_limits_of_each(const Quota *quota);
