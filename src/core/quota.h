/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quota: what users have, and how much each and all together may have.
 *
 * Charged before the work, released in the one place where things die. Limits may become less than
 * what is in use: nothing is taken away then, and nothing more is given.
 */
#pragma once

#include <glib.h>

typedef enum {
    QUOTA_SANDBOXES,
    QUOTA_MEMORY_MIB,
    QUOTA_VCPUS,
    QUOTA_DISK_MIB,  /* to which the disks may grow */
    QUOTA_PROCESSES, /* programs and executions under way */
    QUOTA_CREATES,   /* sandboxes that are being created */
    _QUOTA_MAX,
} QuotaResource;

/* "sandboxes", "memory-mib", … */
const char *quota_resource_name(QuotaResource resource);

typedef struct {
    guint64 amount[_QUOTA_MAX]; /* as a limit, G_MAXUINT64 is none */
} QuotaAmounts;

typedef struct Quota Quota;

Quota *quota_new(const QuotaAmounts *all, const QuotaAmounts *each);
void quota_free(Quota *quota);
void quota_set_limits(Quota *quota, const QuotaAmounts *all, const QuotaAmounts *each);

/* All of it or nothing. CLOCHE_ERROR_QUOTA_EXCEEDED names the limit, what is in use, and who can
 * raise it. */
gboolean quota_charge(Quota *quota, guint32 uid, const QuotaAmounts *what, GError **error);
/* Of what is there already. */
void quota_charge_anyway(Quota *quota, guint32 uid, const QuotaAmounts *what);
void quota_release(Quota *quota, guint32 uid, const QuotaAmounts *what);

QuotaAmounts quota_used(const Quota *quota, guint32 uid);
QuotaAmounts quota_used_by_all(const Quota *quota);
const QuotaAmounts *quota_limits_of_all(const Quota *quota);
const QuotaAmounts *quota_limits_of_each(const Quota *quota);
