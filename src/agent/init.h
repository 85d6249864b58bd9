/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * init: the agent as PID 1 of a machine, from the initramfs to the open port.
 *
 * No connection to the host exists yet, so failures are reported on the console.
 */
#pragma once

/* The directory of the processes' cgroups. */
#define INIT_CGROUP "/sys/fs/cgroup/cloche"

/*
 * Loads the modules, mounts the root disk, makes the system usable and opens the host's port.
 * Returns its descriptor. *ret_net_fd is that of the network's port, or -1 if the machine has none.
 * On failure it writes the reason to standard error and returns -errno.
 * With the kernel option cloche.probe it powers the machine off instead.
 */
int init_machine(int *ret_net_fd);

/*
 * From now on only processes that opened INIT_CGROUP before can move a process between cgroups or
 * change a limit. Others, root included, see a read-only mount unless root mounts the file system
 * again.
 */
int init_close_cgroups(void);
