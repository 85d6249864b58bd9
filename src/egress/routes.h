/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * routes: what the host's routes say about an address.
 *
 * The host's own addresses, broadcast and multicast may never be reached; an address to which a
 * route leads without a gateway is private. Answers are kept for a second.
 */
#pragma once

#include "address.h"

typedef struct Routes Routes;

/* Returns a descriptor for routes_new(), or -errno. */
int routes_open(void);
/* Takes `fd`. They live as long as the process. */
Routes *routes_new(int fd);

/* Returns 0 and the reach, or -errno if there is no route. `now`: microseconds. */
int routes_ask(Routes *routes, const NetAddress *address, gint64 now, NetReach *ret);
