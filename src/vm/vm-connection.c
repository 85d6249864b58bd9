/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-connection: the connection to libvirt, and the news that come over it.
 *
 * libvirtd may be restarted while machines run: that ends the connection and no machine. The next
 * use opens it again, and then the machines are counted, since one may have ended unheard.
 */
#include <libvirt/virterror.h>

#include "vm-error.h"
#include "vm-libvirt.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3

/* --- ends of machines --- */

static gboolean
announce(gpointer data)
{
    LibvirtMachine *machine = data;

    machine->announce = 0;
    machine->events->ended(&machine->base, machine->how, machine->events_data);
    return G_SOURCE_REMOVE;
}

void
vm_machine_over(LibvirtMachine *machine)
{
    machine->over = TRUE;
    vm_machine_unstall(machine);
    if (machine->given && machine->announce == 0)
        machine->announce = g_idle_add(announce, machine);
}

static void
note_end(LibvirtMachine *machine, MachineEnd how)
{
    if (machine->end_known)
        return;
    machine->end_known = TRUE;
    machine->how = how;
}

/*
 * The events of one end come in turn: SHUTDOWN or CRASHED tell why, STOPPED tells that it is over.
 * A QEMU that was killed says STOPPED only; one that was asked to end by a signal says SHUTDOWN,
 * by the host.
 */
static int
on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *opaque)
{
    LibvirtVm *vm = opaque;
    LibvirtMachine *machine;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return 0;
    machine = g_hash_table_lookup(vm->machines, uuid);
    if (!machine || machine->over)
        return 0;

    if (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
        vm_machine_stall(machine);
    else if (event == VIR_DOMAIN_EVENT_RESUMED)
        vm_machine_unstall(machine);
    else if (event == VIR_DOMAIN_EVENT_SHUTDOWN)
        note_end(machine,
                 detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST ? MACHINE_DIED : MACHINE_SHUT_DOWN);
    else if (event == VIR_DOMAIN_EVENT_CRASHED)
        note_end(machine, MACHINE_PANICKED);
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;

    note_end(machine,
             detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN ? MACHINE_SHUT_DOWN : MACHINE_DIED);
    vm_machine_over(machine);
    return 0;
}

/* --- after a reconnection --- */

typedef struct {
    LibvirtVm *vm;
    GPtrArray *uuids;
} Count;

static void
count_free(Count *count)
{
    g_ptr_array_unref(count->uuids);
    g_free(count);
}

/* Keeps in the list the machines that libvirt does not have. */
static void
run_count(GTask *task)
{
    Count *count = g_task_get_task_data(task);
    g_autoptr(virConnect) connection = vm_connect(count->vm, /* error= */ NULL);

    for (guint i = count->uuids->len; connection && i > 0; i--) {
        g_autoptr(virDomain) domain =
            virDomainLookupByUUIDString(connection, g_ptr_array_index(count->uuids, i - 1));

        if (domain || virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
            g_ptr_array_remove_index_fast(count->uuids, i - 1);
    }
    g_task_return_boolean(task, connection != NULL);
}

static void
on_counted(GObject *source, GAsyncResult *result, gpointer data)
{
    Count *count = g_task_get_task_data(G_TASK(result));

    if (!count->vm)
        return;
    count->vm->count = NULL;
    if (!g_task_propagate_boolean(G_TASK(result), /* error= */ NULL))
        return;
    for (guint i = 0; i < count->uuids->len; i++) {
        LibvirtMachine *machine =
            g_hash_table_lookup(count->vm->machines, g_ptr_array_index(count->uuids, i));

        if (!machine || machine->over)
            continue;
        note_end(machine, MACHINE_DIED);
        vm_machine_over(machine);
    }
}

/* Only machines that have been given away: others are still being made. */
static gboolean
count_machines(gpointer data)
{
    LibvirtVm *vm = data;
    Count *count;
    GTask *task;
    GHashTableIter iter;
    gpointer value;

    if (vm->count) /* it connects before it counts, so it sees what this one would */
        return G_SOURCE_REMOVE;
    task = vm->count = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_counted, NULL);
    count = g_new0(Count, 1);
    count->vm = vm;
    count->uuids = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_iter_init(&iter, vm->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value)) {
        const LibvirtMachine *machine = value;

        if (machine->given)
            g_ptr_array_add(count->uuids, g_strdup(machine->uuid));
    }
    g_task_set_task_data(task, count, (GDestroyNotify)count_free);
    vm_run(vm, task, run_count);
    return G_SOURCE_REMOVE;
}

/* --- the connection --- */

static void
on_closed(virConnectPtr connection, int reason, void *opaque)
{
    LibvirtVm *vm = opaque;

    g_mutex_lock(&vm->lock);
    if (vm->connection == connection)
        vm->lost = TRUE;
    g_mutex_unlock(&vm->lock);
}

static void
close_connection(LibvirtVm *vm)
{
    if (!vm->connection)
        return;
    virConnectUnregisterCloseCallback(vm->connection, on_closed);
    virConnectClose(vm->connection);
    vm->connection = NULL;
}

static gboolean
open_connection(LibvirtVm *vm, GError **error)
{
    vm->connection = virConnectOpen(vm->uri);
    if (!vm->connection)
        return vm_error_set(error, "cannot open '%s'", vm->uri);
    vm->lost = FALSE;
    if (virConnectDomainEventRegisterAny(vm->connection, /* domain= */ NULL,
                                         VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), vm, NULL) < 0) {
        vm_error_set(error, "cannot hear of events of '%s'", vm->uri);
        close_connection(vm);
        return FALSE;
    }
    /* Neither exists, nor is needed, where the driver is in this process. */
    if (!vm->embed.root) {
        virConnectRegisterCloseCallback(vm->connection, on_closed, vm, NULL);
        virConnectSetKeepAlive(vm->connection, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
    }
    return TRUE;
}

virConnectPtr
vm_connect(LibvirtVm *vm, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&vm->lock);
    gboolean again;

    /* It may be dead before the main context has come to hear of it. */
    if (vm->connection && virConnectIsAlive(vm->connection) != 1)
        vm->lost = TRUE;
    again = vm->lost;
    if (!vm->connection || vm->lost) {
        close_connection(vm);
        if (!open_connection(vm, error)) {
            vm->lost = TRUE;
            return NULL;
        }
        if (again)
            g_idle_add(count_machines, vm);
    }
    virConnectRef(vm->connection);
    return vm->connection;
}

void
vm_disconnect(LibvirtVm *vm)
{
    while (g_idle_remove_by_data(vm))
        ;
    if (vm->count)
        ((Count *)g_task_get_task_data(vm->count))->vm = NULL;
    g_mutex_lock(&vm->lock);
    close_connection(vm);
    g_mutex_unlock(&vm->lock);
}
