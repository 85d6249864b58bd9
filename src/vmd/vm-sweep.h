/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-sweep: destroys strays, which are machines of cloche that nobody holds or adopts. */
#pragma once

#include "vm-private.h"

/* Begins the next attempt now, for all that wait for it. */
void vm_retry_sweeps(LibvirtVm *vm);
/* All that wait for their next attempt fail, and those under way make no further attempt. */
void vm_stop_sweeps(LibvirtVm *vm);

/* As vm.h says of vm_sweep_async(). */
void libvirt_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);
