/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-connections: TCP connections of the guest's programs, each a stream of net.h.
 *
 * A program's connection is accepted before the host has decided; a refusal resets it. All
 * connections send in turns, one frame each. Bytes of a program are read only when they can be
 * sent. Bytes of the host that a program does not read wait in memory, within the stream's window
 * and NET_WAITING_MAX.
 */
#pragma once

#include <stdbool.h>

/* Bytes of the host that wait, in all connections; beyond it, connections are reset. */
#define NET_WAITING_MAX (16u * 1024 * 1024)

/* Takes ownership of the listening socket. 0 or -errno. */
int net_connections_open(int listener);

/* Whether there is work for which the port has room. */
bool net_connections_have_work(void);
/* Accepts connections, and gives a turn to those that waited longest. */
void net_connections_turn(void);

/* Resets all connections, at both ends. */
void net_connections_reset(void);
