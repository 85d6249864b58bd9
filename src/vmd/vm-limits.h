/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-limits: the systemd scope of a machine's QEMU: its bounds on memory, threads and processor
 * time, and its end. */
#pragma once

#include <sys/types.h>

#include "vm.h"

/* The bound of memory in bytes: twice the guest's memory, and an overhead. */
guint64 limits_memory(const MachineSpec *spec, gboolean emulated);
/* The bound of threads. */
guint limits_tasks(const MachineSpec *spec);

/*
 * Sets the bounds and the processor weight of the scope that contains `pid`. Blocks, for some
 * seconds while polkit restarts. On failure (CLOCHE_ERROR_BUSY: systemd or polkit does not answer,
 * or refuses) the machine has no bounds, so it must not run.
 */
gboolean limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated, GError **error);

/* Kills the processes in the scope of the machine `name` whose QEMU is `pid`. Blocks. For machines
 * that must end while libvirt does not answer. When it answers again, it removes the rest. */
gboolean limits_kill(pid_t pid, const char *name, GError **error);
/* Whether this object of systemd is the scope of the machine. */
gboolean limits_is_scope_of(const char *path, const char *name);

/*
 * The scopes of machines whose names begin with `prefix`: unit names, or NULL if systemd does not
 * answer. Blocks. If libvirtd ends while it starts a machine, the machine's scope may stay when
 * libvirt does not know the machine any more.
 */
char **limits_list_scopes(const char *prefix);
/* The name of the machine whose scope this is: a new string, or NULL. */
char *limits_scope_machine(const char *unit);
/* Kills what is in a scope, and stops it. Blocks. */
void limits_stop_scope(const char *unit);
