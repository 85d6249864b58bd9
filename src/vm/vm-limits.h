/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-limits: what a machine's QEMU may take of the host, bounded by systemd. */
#pragma once

#include <sys/types.h>

#include "vm.h"

/* Threads of QEMU: one per processor, some of its own, and up to 64 for its disk. */
#define LIMITS_TASKS_MAX 128u

/* Bytes that a machine and its QEMU may have. */
guint64 limits_memory(const MachineSpec *spec, gboolean emulated);

/*
 * Sets memory, tasks and weight of the scope that `pid` is in. Blocks. What systemd refuses is a
 * warning, once: libvirt's own bounds hold then.
 */
void limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated);
