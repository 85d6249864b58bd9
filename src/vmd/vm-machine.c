/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-machine: one machine of libvirt, and what its owner is informed of.
 *
 * QEMU stops a guest whose write finds no room on the host's disk, so that the guest loses nothing.
 * It is resumed when there is room again; a resume before that would only stop it once more. A
 * machine that is held is suspended, and otherwise treated alike.
 *
 * One order to libvirt is under way at a time. The owner may change its mind meanwhile, so each
 * order that succeeded and each event is compared with what the owner wants. After a failure, and
 * when the disk is full, a timer tries again.
 */
#include "vm-machine.h"

#include <sys/statvfs.h>

#define LOOK_FOR_ROOM_S 1
#define ROOM_BYTES (64u * 1024 * 1024)

LibvirtMachine *
vm_machine_new(MachineTable *table, const MachineSpec *spec, const MachineEvents *events,
               gpointer events_data)
{
    LibvirtMachine *machine = g_new0(LibvirtMachine, 1);

    machine->base.vm = table->vm;
    machine->table = table;
    machine->name = g_strdup(spec->name);
    machine->socket = g_strdup(spec->socket);
    machine->disk = g_strdup(spec->disk);
    machine->events = events;
    machine->events_data = events_data;
    machine->is_held = spec->is_held;
    return machine;
}

void
vm_machine_set_uuid(LibvirtMachine *machine, const char *uuid)
{
    machine->uuid = g_strdup(uuid);
    g_hash_table_insert(machine->table->by_uuid, machine->uuid, machine);
}

/* --- reports to the owner --- */

static void
report_stalled(LibvirtMachine *machine)
{
    if (!machine->has_owner || machine->is_stalled == machine->reported_stalled)
        return;
    machine->reported_stalled = machine->is_stalled;
    machine->events->stalled(&machine->base, machine->is_stalled, machine->events_data);
}

/* Runs from the main loop, because the owner may be in the middle of a call of its own. */
static gboolean
on_report(gpointer data)
{
    LibvirtMachine *machine = data;

    machine->report = 0;
    if (machine->has_ended)
        machine->events->ended(&machine->base, machine->how, machine->events_data);
    else
        report_stalled(machine);
    return G_SOURCE_REMOVE;
}

Machine *
vm_machine_give(LibvirtMachine *machine, pid_t pid)
{
    machine->pid = pid;
    machine->has_owner = TRUE;
    if (machine->has_ended || machine->is_stalled)
        machine->report = g_idle_add(on_report, machine);
    return &machine->base;
}

/* --- suspending and resuming --- */

typedef struct {
    LibvirtMachine *machine; /* main context only; NULL: it was freed or has ended */
    MachineTable *table;
    char *uuid;
    gboolean suspends;
} Order;

static void
order_free(gpointer data)
{
    Order *order = data;

    g_free(order->uuid);
    g_free(order);
}

static void
run_order(GTask *task)
{
    const Order *order = g_task_get_task_data(task);
    g_autoptr(virConnect) libvirt = connection_get(order->table->connection, /* error= */ NULL);
    g_autoptr(virDomain) domain =
        libvirt ? virDomainLookupByUUIDString(libvirt, order->uuid) : NULL;

    g_task_return_boolean(task, domain && (order->suspends ? virDomainSuspend(domain)
                                                           : virDomainResume(domain)) == 0);
}

/* When the machine has stopped or runs again, libvirt's event says so. */
static void
on_ordered(GObject *source, GAsyncResult *result, gpointer data)
{
    const Order *order = g_task_get_task_data(G_TASK(result));
    gboolean ok = g_task_propagate_boolean(G_TASK(result), /* error= */ NULL);

    if (!order->machine)
        return;
    order->machine->order = NULL;
    if (ok && order->suspends != order->machine->is_held)
        vm_machine_follow_owner(order->machine);
    else if (!ok && !order->suspends && order->machine->is_stalled)
        order->table->resume_failed(order->table->vm);
}

static void
give_order(LibvirtMachine *machine, gboolean suspends)
{
    Order *order = g_new0(Order, 1);

    order->machine = machine;
    order->table = machine->table;
    order->uuid = g_strdup(machine->uuid);
    order->suspends = suspends;
    machine->was_suspended = machine->was_suspended || suspends;
    machine->order = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_ordered, NULL);
    g_task_set_task_data(machine->order, order, order_free);
    workers_run(machine->table->workers, machine->order, run_order);
}

static gboolean
has_room(const LibvirtMachine *machine)
{
    struct statvfs fs;

    return statvfs(machine->disk, &fs) < 0 || fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
}

void
vm_machine_follow_owner(LibvirtMachine *machine)
{
    if (machine->order || machine->has_ended || machine->capture != CAPTURE_NONE ||
        machine->is_held == machine->is_stalled)
        return;
    if (machine->is_held || has_room(machine))
        give_order(machine, machine->is_held);
}

static gboolean
on_stall_timer(gpointer data)
{
    vm_machine_follow_owner(data);
    return G_SOURCE_CONTINUE;
}

static void
watch_order(LibvirtMachine *machine)
{
    if (machine->has_ended || machine->is_held == machine->is_stalled)
        g_clear_handle_id(&machine->stall_timer, g_source_remove);
    else if (machine->stall_timer == 0)
        machine->stall_timer = g_timeout_add_seconds(LOOK_FOR_ROOM_S, on_stall_timer, machine);
}

static void
stop_ordering(LibvirtMachine *machine)
{
    g_clear_handle_id(&machine->stall_timer, g_source_remove);
    if (machine->order)
        ((Order *)g_task_get_task_data(machine->order))->machine = NULL;
    machine->order = NULL;
}

void
vm_machine_set_stalled(LibvirtMachine *machine, gboolean is_stalled)
{
    if (machine->is_stalled == is_stalled)
        return;
    machine->is_stalled = is_stalled;
    watch_order(machine);
    report_stalled(machine);
}

gboolean
vm_machine_stands_for_owner(const LibvirtMachine *machine)
{
    return machine->is_held || machine->was_suspended;
}

void
vm_machine_hold(LibvirtMachine *machine, gboolean holds)
{
    machine->is_held = holds;
    watch_order(machine);
    vm_machine_follow_owner(machine);
}

/* --- the end --- */

void
vm_machine_note_end(LibvirtMachine *machine, MachineEnd how)
{
    if (machine->end_known)
        return;
    machine->end_known = TRUE;
    machine->how = how;
}

void
vm_machine_end(LibvirtMachine *machine)
{
    machine->has_ended = TRUE;
    stop_ordering(machine);
    if (machine->has_owner && machine->report == 0)
        machine->report = g_idle_add(on_report, machine);
}

void
vm_machine_free(LibvirtMachine *machine)
{
    g_clear_handle_id(&machine->report, g_source_remove);
    g_clear_handle_id(&machine->capture_timer, g_source_remove);
    if (machine->capture_holder)
        *machine->capture_holder = NULL;
    stop_ordering(machine);
    if (machine->uuid)
        g_hash_table_remove(machine->table->by_uuid, machine->uuid);
    g_free(machine->name);
    g_free(machine->uuid);
    g_free(machine->socket);
    g_free(machine->disk);
    g_free(machine);
}
