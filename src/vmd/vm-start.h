/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-start: makes a machine, by booting or by restoring. */
#pragma once

#include "vm-private.h"

/* As vm_start_async(), with facts that need not be the Vm's, with more options for the kernel's
 * command line (or NULL), and for machines that lack some parts (vm-domain-xml.h). `facts` must
 * live until the finish. */
void vm_start_with(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts,
                   const char *kernel_options, const MachineEvents *events, gpointer events_data,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/* As vm.h says of vm_start_async(). */
void libvirt_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                         gpointer events_data, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
