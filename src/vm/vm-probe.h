/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-probe: finds out which accelerator works. */
#pragma once

#include "vm-private.h"

/* As vm.h says of vm_probe_async() and vm_probe_pause_ms(). */
void libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                         const MachineUser *user, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
const VmFacts *libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
guint libvirt_probe_pause_ms(Vm *vm, guint failures);
