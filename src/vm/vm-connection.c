/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-connection: the connection to libvirt, and the news that come over it.
 *
 * libvirtd may be restarted while machines run: that ends the connection and no machine. It is
 * opened again at once, and then the machines are looked at, since one may have ended unheard.
 */
#include "vm-error.h"
#include "vm-libvirt.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3

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

    if (event == VIR_DOMAIN_EVENT_SUSPENDED || event == VIR_DOMAIN_EVENT_RESUMED)
        machine->changes++;
    if (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
        vm_machine_stall(machine);
    else if (event == VIR_DOMAIN_EVENT_RESUMED)
        vm_machine_unstall(machine);
    else if (event == VIR_DOMAIN_EVENT_SHUTDOWN)
        vm_machine_note_end(machine, detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST ? MACHINE_DIED
                                                                              : MACHINE_SHUT_DOWN);
    else if (event == VIR_DOMAIN_EVENT_CRASHED)
        vm_machine_note_end(machine, MACHINE_PANICKED);
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;

    vm_machine_note_end(machine, detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN ? MACHINE_SHUT_DOWN
                                                                             : MACHINE_DIED);
    vm_machine_over(machine);
    return 0;
}

/* In the main context, which must not wait for a worker that is connecting. */
static void
on_closed(virConnectPtr connection, int reason, void *opaque)
{
    LibvirtVm *vm = opaque;

    g_atomic_int_set(&vm->lost, TRUE);
    vm_look(vm);
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
    vm->opened++;
    return TRUE;
}

/* Asks, since it may be dead before the main context has come to hear of it. */
static gboolean
is_good(LibvirtVm *vm)
{
    unsigned long version;

    return vm->connection && !g_atomic_int_get(&vm->lost) &&
           virConnectGetLibVersion(vm->connection, &version) == 0;
}

static gboolean
look(gpointer data)
{
    vm_look(data);
    return G_SOURCE_REMOVE;
}

virConnectPtr
vm_connect(LibvirtVm *vm, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&vm->lock);

    if (!is_good(vm)) {
        close_connection(vm);
        g_atomic_int_set(&vm->lost, FALSE);
        if (!open_connection(vm, error)) {
            g_atomic_int_set(&vm->lost, TRUE);
            return NULL;
        }
        g_idle_add(look, vm);
    }
    virConnectRef(vm->connection);
    return vm->connection;
}

guint
vm_count_openings(LibvirtVm *vm)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&vm->lock);

    return vm->opened;
}

void
vm_disconnect(LibvirtVm *vm)
{
    while (g_idle_remove_by_data(vm))
        ;
    vm_look_stop(vm);
    g_mutex_lock(&vm->lock);
    close_connection(vm);
    g_mutex_unlock(&vm->lock);
}
