/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-child: the agent's child that gives the guest a network.
 *
 * The child is started before the snapshot of a template, so a restored machine has nothing to do.
 * Whether the host permits connections is decided there and later: while no host is connected to
 * the port, lookups and connections fail at once.
 *
 * The child has no privileges, so the agent opens and closes the gate of net-routes.h for it. It is
 * not started again when it ends, because only root of the guest can end it: then all destinations
 * but the guest's own addresses are unreachable.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts the child, and waits until the network is set up. Takes ownership of `fd`: a virtio port
 * or a listening socket (net-port.h); -1: the machine has no network, and nothing is done. A
 * failure is reported on standard error, and the network is closed. Call it before the agent locks
 * its memory, which the child would have copies of.
 */
void net_child_start(int fd);
/* From now on, the agent does in its loop what the child asks for. 0 or -errno. */
int net_child_watch(void);
bool net_child_is_running(void);

/* A child was reaped. False if it is not this one. */
bool net_child_reaped(pid_t pid);

/* Makes the child forget all names and connections, and waits until it has done so. It may block
 * for seconds, so the agent calls it in a process of its own. */
void net_child_forget(void);
