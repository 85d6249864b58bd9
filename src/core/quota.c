/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quota: an account for each user that has something, and one for all users. */
#include "quota.h"

#include "error.h"
#include "large-frames.h"

/* What the operations and the connections of one user share. */
typedef struct {
    Budget *buffers;
    Slots *large_frames;
} Share;

struct Quota {
    QuotaAmounts all, each; /* the limits */
    QuotaAmounts used;      /* by all */
    GHashTable *accounts;   /* uid → QuotaAmounts; only users that have something */
    Budget *buffers;        /* of all */
    GHashTable *shares;     /* uid → Share; users that had something */
};

static const struct {
    const char *name;
    const char *key; /* in [Limits] and [UserLimits] of cloched.conf */
    const char *unit;
    const char *remedy; /* what frees it */
} resources[] = {
    [QUOTA_SANDBOXES] = {"sandboxes", "Sandboxes", "", "end a sandbox"},
    [QUOTA_MEMORY_MIB] = {"memory-mib", "MemoryMiB", " MiB", "end a sandbox"},
    [QUOTA_VCPUS] = {"vcpus", "VCpus", "", "end a sandbox"},
    [QUOTA_DISK_MIB] = {"disk-mib", "DiskMiB", " MiB", "end a sandbox"},
    [QUOTA_PROCESSES] = {"processes", "Processes", "", "wait for one to end"},
    [QUOTA_CREATES] = {"creates", "Creates", "", "wait for one to be ready"},
    [QUOTA_CONNECTIONS] = {"connections", "Connections", "",
                           "set a lower limit of a network, end a sandbox"},
    [QUOTA_TRAFFIC_MIB] = {"traffic-mib", "TrafficMiB", " MiB",
                           "set a lower limit of a network, end a sandbox"},
    [QUOTA_SNAPSHOTS] = {"snapshots", "Snapshots", "", "remove a snapshot"},
    [QUOTA_SNAPSHOT_MIB] = {"snapshot-mib", "SnapshotMiB", " MiB", "remove a snapshot"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(resources) == _QUOTA_MAX);

const char *
quota_resource_name(QuotaResource resource)
{
    return resources[resource].name;
}

static void
share_free(gpointer data)
{
    Share *share = data;

    budget_unref(share->buffers);
    slots_unref(share->large_frames);
    g_free(share);
}

static Share *
share_of(Quota *quota, guint32 uid)
{
    Share *share = g_hash_table_lookup(quota->shares, GUINT_TO_POINTER(uid));

    if (!share) {
        share = g_new0(Share, 1);
        share->buffers = budget_new(QUOTA_BUFFERS_EACH, quota->buffers);
        share->large_frames = large_frames_new();
        g_hash_table_insert(quota->shares, GUINT_TO_POINTER(uid), share);
    }
    return share;
}

Quota *
quota_new(const QuotaAmounts *all, const QuotaAmounts *each)
{
    Quota *quota = g_new0(Quota, 1);

    quota->accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    quota->buffers = budget_new(QUOTA_BUFFERS_ALL, /* whole= */ NULL);
    quota->shares = g_hash_table_new_full(NULL, NULL, NULL, share_free);
    quota_set_limits(quota, all, each);
    return quota;
}

void
quota_free(Quota *quota)
{
    g_hash_table_unref(quota->accounts);
    g_hash_table_unref(quota->shares);
    budget_unref(quota->buffers);
    g_free(quota);
}

Budget *
quota_buffers(Quota *quota, guint32 uid)
{
    return share_of(quota, uid)->buffers;
}

Slots *
quota_large_frames(Quota *quota, guint32 uid)
{
    return share_of(quota, uid)->large_frames;
}

gboolean
quota_take_buffers(Quota *quota, guint32 uid, gsize bytes, GError **error)
{
    gsize own = quota_buffers_used(quota, uid);
    g_autofree char *user = NULL;
    gboolean is_own;

    if (budget_take(quota_buffers(quota, uid), bytes))
        return TRUE;
    is_own = own > QUOTA_BUFFERS_EACH || bytes > QUOTA_BUFFERS_EACH - own;
    user = g_strdup_printf("user %u", uid);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "The limit " QUOTA_BUFFERS_NAME " of %s is reached: %zu of %u bytes are in use, "
                "and this needs %zu more; wait until a call or a process ends",
                is_own ? user : "all users", is_own ? own : quota_buffers_used_by_all(quota),
                is_own ? QUOTA_BUFFERS_EACH : QUOTA_BUFFERS_ALL, bytes);
    return FALSE;
}

gsize
quota_buffers_used(const Quota *quota, guint32 uid)
{
    const Share *share = g_hash_table_lookup(quota->shares, GUINT_TO_POINTER(uid));

    return share ? budget_used(share->buffers) : 0;
}

gsize
quota_buffers_used_by_all(const Quota *quota)
{
    return budget_used(quota->buffers);
}

void
quota_set_limits(Quota *quota, const QuotaAmounts *all, const QuotaAmounts *each)
{
    quota->all = *all;
    quota->each = *each;
}

/* Returns the first resource that is exceeded, or _QUOTA_MAX. */
static QuotaResource
find_excess(const QuotaAmounts *limits, const QuotaAmounts *used, const QuotaAmounts *what)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        if (what->amount[r] > 0 && (used->amount[r] > limits->amount[r] ||
                                    what->amount[r] > limits->amount[r] - used->amount[r]))
            return r;
    return _QUOTA_MAX;
}

static gboolean
check(const char *whose, const char *section, const QuotaAmounts *limits, const QuotaAmounts *used,
      const QuotaAmounts *what, GError **error)
{
    QuotaResource r = find_excess(limits, used, what);

    if (r == _QUOTA_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "The limit %s of %s is reached: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                "%s are in use, and this needs %" G_GUINT64_FORMAT
                " more; %s, or ask an administrator to raise %s in [%s] of cloched.conf",
                resources[r].name, whose, used->amount[r], limits->amount[r], resources[r].unit,
                what->amount[r], resources[r].remedy, resources[r].key, section);
    return FALSE;
}

gboolean
quota_charge(Quota *quota, guint32 uid, const QuotaAmounts *what, GError **error)
{
    QuotaAmounts used = quota_used(quota, uid);
    g_autofree char *whose = g_strdup_printf("user %u", uid);

    if (!check(whose, "UserLimits", &quota->each, &used, what, error) ||
        !check("all users", "Limits", &quota->all, &quota->used, what, error))
        return FALSE;
    quota_charge_anyway(quota, uid, what);
    return TRUE;
}

void
quota_charge_anyway(Quota *quota, guint32 uid, const QuotaAmounts *what)
{
    QuotaAmounts *account = g_hash_table_lookup(quota->accounts, GUINT_TO_POINTER(uid));

    if (!account) {
        account = g_new0(QuotaAmounts, 1);
        g_hash_table_insert(quota->accounts, GUINT_TO_POINTER(uid), account);
    }
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        account->amount[r] += what->amount[r];
        quota->used.amount[r] += what->amount[r];
    }
}

void
quota_release(Quota *quota, guint32 uid, const QuotaAmounts *what)
{
    QuotaAmounts *account = g_hash_table_lookup(quota->accounts, GUINT_TO_POINTER(uid));
    gboolean is_empty = TRUE;

    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        g_assert(account && account->amount[r] >= what->amount[r]);
        account->amount[r] -= what->amount[r];
        quota->used.amount[r] -= what->amount[r];
        is_empty = is_empty && account->amount[r] == 0;
    }
    if (is_empty)
        g_hash_table_remove(quota->accounts, GUINT_TO_POINTER(uid));
}

QuotaAmounts
quota_used(const Quota *quota, guint32 uid)
{
    const QuotaAmounts *account = g_hash_table_lookup(quota->accounts, GUINT_TO_POINTER(uid));

    return account ? *account : (QuotaAmounts){0};
}

QuotaAmounts
quota_used_by_all(const Quota *quota)
{
    return quota->used;
}

const QuotaAmounts *
quota_limits_of_all(const Quota *quota)
{
    return &quota->all;
}

const QuotaAmounts *
quota_limits_of_each(const Quota *quota)
{
    return &quota->each;
}
