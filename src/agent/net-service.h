/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-service: the process of the net child: its set-up as root, and its loop as nobody. */
#pragma once

/*
 * Makes interface, routes and resolv.conf of this network namespace, opens all sockets, and gives
 * up all privileges. `port` is for net-port.h. Each byte that arrives on `control` is answered when
 * all names and connections are forgotten. 0 or -errno.
 */
int net_service_open(int port, int control);

/* Serves until the other end of `control` is closed. */
void net_service_run(void);
