/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-routes: addresses, routes and rules that deliver a guest's connections to the guest itself.
 *
 * The guest has no network card. Routes of users, such as those of containers, come first; all
 * other TCP and DNS packets are local, whatever their destination is (net-steer.h gives them to the
 * right socket), and everything else is unreachable at once. TCP, except for DNS, has a gate: while
 * it is closed, as at the beginning, TCP is unreachable, too.
 */
#pragma once

#include <stdbool.h>

#define NET_ADDRESS4 "192.0.2.2" /* of the guest, on eth0 */
#define NET_ADDRESS6 "fd00:c10c::2"
#define NET_SERVER4 "192.0.2.1" /* the nameserver in resolv.conf */

/* Makes eth0, or uses lo if the kernel has no dummy interfaces. Needs CAP_NET_ADMIN. 0 or -errno.
 */
int net_routes_open(void);
/* Call it only to change the state. Needs CAP_NET_ADMIN. 0 or -errno. */
int net_routes_set_gate(bool is_open);
/* Nothing is local any more but the guest's own addresses: all else is unreachable. */
int net_routes_close(void);
