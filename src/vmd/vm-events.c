/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-events: what libvirt's lifecycle events say about a machine.
 *
 * An end is one or two events: SHUTDOWN or CRASHED gives the reason, then STOPPED says that QEMU is
 * gone. A QEMU that was killed causes STOPPED only. A QEMU that was asked to end by a signal causes
 * SHUTDOWN with the detail "host".
 */
#include "vm-events.h"

static void
apply_suspension(LibvirtMachine *machine, int event, int detail)
{
    gboolean is_full = detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR;

    machine->changes++;
    if (event == VIR_DOMAIN_EVENT_RESUMED) {
        machine->was_suspended = FALSE;
        vm_machine_set_stalled(machine, FALSE);
        vm_machine_follow_owner(machine);
    } else if (is_full || vm_machine_stands_for_owner(machine)) {
        vm_machine_set_stalled(machine, TRUE);
        if (!is_full)
            vm_machine_follow_owner(machine);
    }
}

void
vm_apply_event(MachineTable *machines, const char *uuid, int event, int detail)
{
    LibvirtMachine *machine = g_hash_table_lookup(machines->by_uuid, uuid);

    if (!machine || machine->has_ended)
        return;
    switch (event) {
    case VIR_DOMAIN_EVENT_SUSPENDED:
    case VIR_DOMAIN_EVENT_RESUMED:
        apply_suspension(machine, event, detail);
        break;
    case VIR_DOMAIN_EVENT_SHUTDOWN:
        vm_machine_note_end(machine, detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST ? MACHINE_DIED
                                                                              : MACHINE_SHUT_DOWN);
        break;
    case VIR_DOMAIN_EVENT_CRASHED:
        vm_machine_note_end(machine, MACHINE_PANICKED);
        break;
    case VIR_DOMAIN_EVENT_STOPPED:
        vm_machine_note_end(machine, detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN ? MACHINE_SHUT_DOWN
                                                                                 : MACHINE_DIED);
        vm_machine_end(machine);
        break;
    default:
        break;
    }
}
