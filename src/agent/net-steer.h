/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-steer: gives connections to any address to one socket, by a BPF program of the type
 * sk_lookup.
 *
 * The kernel calls the program when it looks for the socket of a packet that belongs to no
 * connection. The guest's own addresses are left to the guest's own sockets: the kernel looks for
 * them as usual. Needs no kernel module.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Steers TCP to `tcp`, and UDP to port 53 to `udp`, in this network namespace, until the process
 * ends. Both sockets are IPv6 sockets that also accept IPv4. Needs CAP_BPF and CAP_NET_ADMIN.
 * 0 or -errno.
 */
int net_steer_open(int tcp, int udp);

/* Whether `address` is the guest's own. IPv4 addresses are mapped. Needs no capability. */
void net_steer_set_own(const uint8_t address[16], bool is_own);
