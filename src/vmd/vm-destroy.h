/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-destroy: ends machines, and tries again until libvirt can. */
#pragma once

#include "vm-private.h"

/* Tries again at once to destroy each machine that waits for its next attempt. */
void vm_retry_destroys(LibvirtVm *vm);

/* All that wait for their next attempt fail. */
void vm_stop_destroys(LibvirtVm *vm);

/* As vm.h says of machine_destroy_async(). */
void libvirt_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean libvirt_destroy_finish(Vm *vm, GAsyncResult *result, GError **error);
