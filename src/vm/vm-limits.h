/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-limits: what a machine's QEMU may take of the host, bounded by systemd. */
#pragma once

#include <sys/types.h>

#include "vm.h"

/* Bytes that a machine and its QEMU may have: twice the guest's memory, and an overhead. */
guint64 limits_memory(const MachineSpec *spec, gboolean emulated);
/* Threads that its QEMU may have. */
guint limits_tasks(const MachineSpec *spec);

/*
 * Sets memory, tasks and weight of the scope that `pid` is in. Blocks, for some
 * seconds when polkit is being started anew. What systemd refuses is a warning, the first time:
 * libvirt's own bounds hold then.
 */
void limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated);
