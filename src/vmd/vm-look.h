/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-look: finds out what became of machines while no event could be received. Main context only.
 */
#pragma once

#include "vm-private.h"

/* Starts a look, or another one after the present one. Connects, and retries until it can. */
void vm_look(LibvirtVm *vm);
/* Whether libvirt is busy with the machine, so that the state it reports may not be QEMU's: after
 * its own start, libvirtd reports the state in its file until QEMU has answered. For worker
 * threads; does not wait. */
gboolean vm_state_is_uncertain(virDomainPtr domain);
/* The Vm is being closed, and no worker runs any more. */
void vm_look_stop(LibvirtVm *vm);
