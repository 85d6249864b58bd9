/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-events: what libvirt's lifecycle events say about a machine. Main context only. */
#pragma once

#include "vm-machine.h"

/* Applies an event (virDomainEventType and its detail) to the machine with this uuid, if the table
 * has one that has not ended. */
void vm_apply_event(MachineTable *machines, const char *uuid, int event, int detail);
