/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-resolver: answers the guest's DNS queries, over UDP and TCP.
 *
 * Each question for the address of a name is a lookup: the host says whether the name may be used.
 * Then the answer is the name's synthetic address. Other types of records do not exist, so no
 * data of a query leaves the guest but the name.
 */
#pragma once

#include <stdbool.h>

#include "net.h"

/* Further queries are answered with an error that means "try again". */
#define NET_LOOKUPS_MAX 64u
/* Connections to port 53. A new one replaces the one that was silent for the longest time. */
#define NET_RESOLVER_CLIENTS_MAX 16u

/* Takes ownership of the UDP socket, which reports destinations (IPV6_RECVPKTINFO). 0 or -errno. */
int net_resolver_open(int udp);
/* Takes ownership of a connection to port 53. */
void net_resolver_accept(int fd);

/* Whether there is work for which the port has room. */
bool net_resolver_has_work(void);
void net_resolver_turn(void);

/* Answers all queries that wait for the host with an error, and drops connections. */
void net_resolver_reset(void);
