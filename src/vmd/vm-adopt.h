/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-adopt: machines that the previous instance of the daemon left are adopted or destroyed. */
#pragma once

#include "vm-private.h"

/* Tries again at once what waits for its next attempt. */
void vm_retry_adoptions(LibvirtVm *vm);
/* All that wait for their next attempt fail. */
void vm_stop_adoptions(LibvirtVm *vm);

/* As vm.h says of vm_adopt_async() and vm_sweep_async(). */
void libvirt_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                         gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
void libvirt_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);
