/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-look: finds out what became of machines while no event could be received. Main context only.
 */
#pragma once

#include "vm-private.h"

/* Starts a look, or another one after the present one. Connects, and retries until it can. */
void vm_look(LibvirtVm *vm);
/* The Vm is being closed. */
void vm_look_stop(LibvirtVm *vm);
