/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-service: the process of the net child: its set-up as root, and its loop as nobody. */
#pragma once

/* What the child asks for on `gate`: whether connect() may succeed (net_routes_set_gate()). */
#define NET_GATE_CLOSED '-'
#define NET_GATE_OPEN '+'

/*
 * Makes interface, routes and resolv.conf of this network namespace, opens all sockets, and gives
 * up all privileges. `port` is for net-port.h. Each byte that arrives on `control` is answered when
 * all names and connections are forgotten. Each byte that is sent on `gate` must be answered when
 * the agent has done what it says. 0 or -errno.
 */
int net_service_open(int port, int control, int gate);

/* Serves until the other end of `control` is closed. */
void net_service_run(void);
