/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-limits: bounds on memory, threads and processor time of a machine's QEMU, set by systemd. */
#pragma once

#include <sys/types.h>

#include "vm.h"

/* The bound of memory in bytes: twice the guest's memory, and an overhead. */
guint64 limits_memory(const MachineSpec *spec, gboolean emulated);
/* The bound of threads. */
guint limits_tasks(const MachineSpec *spec);

/*
 * Sets the bounds and the processor weight of the scope that contains `pid`. Blocks, for some
 * seconds while polkit restarts. If systemd refuses, a warning is logged the first time, and only
 * libvirt's bounds apply.
 */
void limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated);
