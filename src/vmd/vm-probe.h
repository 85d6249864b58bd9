/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-probe: finds out which accelerator works. */
#pragma once

#include "vm-private.h"

/* As vm.h says of vm_probe_async(). */
void libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                         const MachineUser *user, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
const VmFacts *libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
/* As vm-ops.h says. */
void libvirt_recall_async(Vm *vm, gboolean is_emulated, GAsyncReadyCallback callback,
                          gpointer data);
