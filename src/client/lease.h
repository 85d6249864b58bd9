/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lease: a sandbox that lives as long as its client works with it.
 *
 * The sandbox has a short timeout, which the lease extends again and again. So the client may take
 * as long as it needs, and when the client is killed, the sandbox ends soon afterwards.
 */
#pragma once

#include "client.h"

typedef struct Lease Lease;

/* The timeout in seconds for the creation of a sandbox that will be leased. */
guint64 lease_seconds(ClocheManager *manager);

/* Extends the timeout from now on, in the main loop. */
Lease *lease_new(ClocheSandbox *sandbox, guint64 seconds);

/* Ends the extending, not the sandbox. */
void lease_free(Lease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lease, lease_free)
