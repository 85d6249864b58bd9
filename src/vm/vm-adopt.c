/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-adopt: machines that the previous instance of the daemon left are adopted or destroyed.
 *
 * QEMU serves one connection of its channel at a time and listens again when that connection ends,
 * so a machine whose daemon died waits for the next daemon. A machine that is paused for any reason
 * but a full disk was never completely started.
 */
#include "vm-adopt.h"

#include <libvirt/virterror.h>
#include <unistd.h>

#include "error.h"
#include "vm-destroy.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-look.h"

typedef struct {
    LibvirtVm *vm;
    char *name, *socket;
    LibvirtMachine *machine; /* main context only */
    char uuid[VIR_UUID_STRING_BUFLEN];
    pid_t pid;
    int fd;
    gboolean is_stalled;
} MachineAdoption;

static void
adoption_free(gpointer data)
{
    MachineAdoption *adoption = data;

    if (adoption->fd >= 0)
        close(adoption->fd);
    if (adoption->machine)
        vm_machine_free(adoption->machine);
    g_free(adoption->name);
    g_free(adoption->socket);
    g_free(adoption);
}

static gboolean
set_gone(GError **error, const char *name, const char *why)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "machine '%s': %s", name, why);
    return FALSE;
}

static gboolean
check_state(virDomainPtr domain, MachineAdoption *adoption, GError **error)
{
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return set_gone(error, adoption->name, "it is gone");
    adoption->is_stalled = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
    if (state == VIR_DOMAIN_RUNNING || adoption->is_stalled)
        return TRUE;
    return set_gone(error, adoption->name, "it is not running");
}

static gboolean
adopt(MachineAdoption *adoption, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(adoption->vm->connection, error);
    g_autoptr(virDomain) domain = NULL;
    g_autoptr(GError) cause = NULL;

    if (!libvirt)
        return FALSE;
    domain = virDomainLookupByName(libvirt, adoption->name);
    if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
        return vm_error_set(error, "machine '%s' cannot be looked up", adoption->name);
    if (!domain || virDomainGetUUIDString(domain, adoption->uuid) < 0)
        return set_gone(error, adoption->name, "it is gone");
    if (!check_state(domain, adoption, error))
        return FALSE;
    adoption->pid = vm_read_pid(&adoption->vm->embed, adoption->name);
    adoption->fd = vm_connect_socket(adoption->socket, &cause);
    return adoption->fd >= 0 || set_gone(error, adoption->name, cause->message);
}

static void
run_adopt(GTask *task)
{
    GError *error = NULL;

    if (adopt(g_task_get_task_data(task), &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
libvirt_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    MachineAdoption *adoption = g_new0(MachineAdoption, 1);

    adoption->vm = (LibvirtVm *)vm;
    adoption->name = g_strdup(spec->name);
    adoption->socket = g_strdup(spec->socket);
    adoption->machine = vm_machine_new(&adoption->vm->machines, spec, events, events_data);
    adoption->fd = -1;
    g_task_set_task_data(task, adoption, adoption_free);
    workers_run(adoption->vm->workers, task, run_adopt);
}

Machine *
libvirt_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    MachineAdoption *adoption = g_task_get_task_data(G_TASK(result));
    LibvirtMachine *machine;

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    machine = g_steal_pointer(&adoption->machine);
    vm_machine_set_uuid(machine, adoption->uuid);
    vm_machine_give(machine, adoption->pid);
    if (adoption->is_stalled)
        vm_machine_set_stalled(machine, TRUE);
    vm_look(adoption->vm); /* events before this moment did not find it */
    *ret_fd = adoption->fd;
    adoption->fd = -1;
    return &machine->base;
}

/* --- machines that nobody adopts --- */

typedef struct {
    LibvirtVm *vm;
    char *prefix;
    GHashTable *known; /* uuids */
} MachineSweep;

static void
sweep_free(gpointer data)
{
    MachineSweep *sweep = data;

    g_free(sweep->prefix);
    g_hash_table_unref(sweep->known);
    g_free(sweep);
}

static gboolean
is_stray(const MachineSweep *sweep, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    return g_str_has_prefix(virDomainGetName(domain), sweep->prefix) &&
           virDomainGetUUIDString(domain, uuid) == 0 && !g_hash_table_contains(sweep->known, uuid);
}

static int
destroy_strays(const MachineSweep *sweep, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(sweep->vm->connection, error);
    virDomainPtr *domains = NULL;
    int found, destroyed = 0;

    if (!libvirt)
        return -1;
    found = virConnectListAllDomains(libvirt, &domains, /* flags= */ 0);
    if (found < 0) {
        vm_error_set(error, "cannot list the machines");
        return -1;
    }
    for (int i = 0; i < found; i++) {
        if (is_stray(sweep, domains[i]) &&
            vm_destroy_domain(domains[i], error && !*error ? error : NULL)) {
            vm_remove_files(&sweep->vm->embed, virDomainGetName(domains[i]), /* socket= */ NULL);
            destroyed++;
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return destroyed;
}

static void
run_sweep(GTask *task)
{
    GError *error = NULL;
    int destroyed = destroy_strays(g_task_get_task_data(task), &error);

    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_int(task, destroyed);
}

void
libvirt_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    MachineSweep *sweep = g_new0(MachineSweep, 1);
    GHashTableIter iter;
    gpointer uuid;

    sweep->vm = (LibvirtVm *)vm;
    sweep->prefix = g_strdup(prefix);
    sweep->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, sweep->vm->machines.by_uuid);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_hash_table_add(sweep->known, g_strdup(uuid));
    g_task_set_task_data(task, sweep, sweep_free);
    workers_run(sweep->vm->workers, task, run_sweep);
}

int
libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}
