/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-adopt: adopts the machines that the previous instance of the daemon left, or destroys them. */
#pragma once

#include "vm-private.h"

/* Begins the next attempt now, for all that wait for it. */
void vm_retry_adoptions(LibvirtVm *vm);
/* All that wait for their next attempt fail. */
void vm_stop_adoptions(LibvirtVm *vm);

/* Adds the names of the machines whose adoption is under way: new strings. */
void vm_list_adoptions(const LibvirtVm *vm, GHashTable *names);

/* As vm.h says of vm_adopt_async(). */
void libvirt_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                         gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
