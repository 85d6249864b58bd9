/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * init: the agent as PID 1 of a machine, from the initramfs to the open port.
 *
 * Before it, there is nothing; a failure has nobody to be told to but the console.
 */
#pragma once

/* Where processes get their cgroups. */
#define INIT_CGROUP "/sys/fs/cgroup/cloche"

/*
 * Loads the modules, mounts the root disk, makes the system usable and opens the host's port.
 * Returns its descriptor; on failure it writes why to standard error and returns -errno. With the
 * word cloche.probe on the kernel's command line it powers the machine off instead.
 */
int init_machine(void);

/*
 * From now on only who has opened INIT_CGROUP before can move a process between cgroups, or change
 * a limit: root sees them read-only, unless it mounts them again.
 */
int init_close_cgroups(void);
