/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lease: a timer that extends a sandbox's timeout, three times as often as is needed. */
#include "lease.h"

#define LEASE_S 300

struct Lease {
    ClocheSandbox *sandbox;
    guint64 seconds;
    guint timer;
};

guint64
lease_seconds(ClocheManager *manager)
{
    GVariant *limits = cloche_manager_get_limits(manager);
    guint64 longest = LEASE_S;

    if (limits != NULL)
        g_variant_lookup(limits, "lifetime", "t", &longest);
    return MIN(longest, LEASE_S);
}

/* The result is ignored: if the sandbox has ended, the client's calls in it report that. */
static gboolean
on_due(gpointer data)
{
    const Lease *lease = data;

    cloche_sandbox_call_set_timeout(lease->sandbox, lease->seconds, CLIENT_CALL,
                                    /* cancellable= */ NULL, /* callback= */ NULL,
                                    /* data= */ NULL);
    return G_SOURCE_CONTINUE;
}

Lease *
lease_new(ClocheSandbox *sandbox, guint64 seconds)
{
    Lease *lease = g_new0(Lease, 1);

    lease->sandbox = g_object_ref(sandbox);
    lease->seconds = seconds;
    lease->timer = g_timeout_add(seconds * 1000 / 3, on_due, lease);
    return lease;
}

void
lease_free(Lease *lease)
{
    if (lease == NULL)
        return;
    g_source_remove(lease->timer);
    g_object_unref(lease->sandbox);
    g_free(lease);
}
