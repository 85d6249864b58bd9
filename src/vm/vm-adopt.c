/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-adopt: machines that an earlier life of the daemon left: taken up again, or destroyed.
 *
 * QEMU serves one connection of its channel at a time and listens again when that one ends, so a
 * machine whose daemon died waits for the next. One that stands still for any other reason than a
 * full disk was never finished.
 */
#include <libvirt/virterror.h>
#include <unistd.h>

#include "error.h"
#include "vm-error.h"
#include "vm-libvirt.h"

typedef struct {
    LibvirtVm *vm;
    char *name, *socket;
    LibvirtMachine *machine; /* for the main context only */
    char uuid[VIR_UUID_STRING_BUFLEN];
    pid_t pid;
    int fd;
    gboolean is_stalled;
} Adoption;

static void
adoption_free(gpointer data)
{
    Adoption *adoption = data;

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
check_state(virDomainPtr domain, Adoption *adoption, GError **error)
{
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return set_gone(error, adoption->name, "it is gone");
    adoption->is_stalled = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
    if (state == VIR_DOMAIN_RUNNING || adoption->is_stalled)
        return TRUE;
    return set_gone(error, adoption->name, "it does not run");
}

static gboolean
adopt(Adoption *adoption, GError **error)
{
    g_autoptr(virConnect) connection = vm_connect(adoption->vm, error);
    g_autoptr(virDomain) domain = NULL;
    g_autoptr(GError) cause = NULL;

    if (!connection)
        return FALSE;
    domain = virDomainLookupByName(connection, adoption->name);
    if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
        return vm_error_set(error, "machine '%s' cannot be looked up", adoption->name);
    if (!domain || virDomainGetUUIDString(domain, adoption->uuid) < 0)
        return set_gone(error, adoption->name, "it is gone");
    if (!check_state(domain, adoption, error))
        return FALSE;
    adoption->pid = vm_read_pid(adoption->vm, adoption->name);
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
    Adoption *adoption = g_new0(Adoption, 1);

    adoption->vm = (LibvirtVm *)vm;
    adoption->name = g_strdup(spec->name);
    adoption->socket = g_strdup(spec->socket);
    adoption->machine = vm_machine_new(adoption->vm, spec, events, events_data);
    adoption->fd = -1;
    g_task_set_task_data(task, adoption, adoption_free);
    vm_run(adoption->vm, task, run_adopt);
}

Machine *
libvirt_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    Adoption *adoption = g_task_get_task_data(G_TASK(result));
    LibvirtMachine *machine;

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    machine = g_steal_pointer(&adoption->machine);
    vm_machine_know(machine, adoption->uuid);
    vm_machine_give(machine, adoption->pid);
    if (adoption->is_stalled)
        vm_machine_stall(machine);
    vm_look(adoption->vm); /* no event has found it so far */
    *ret_fd = adoption->fd;
    adoption->fd = -1;
    return &machine->base;
}

/* --- the others --- */

typedef struct {
    LibvirtVm *vm;
    char *prefix;
    GHashTable *known; /* uuids */
} Sweep;

static void
sweep_free(gpointer data)
{
    Sweep *sweep = data;

    g_free(sweep->prefix);
    g_hash_table_unref(sweep->known);
    g_free(sweep);
}

static gboolean
is_stray(const Sweep *sweep, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    return g_str_has_prefix(virDomainGetName(domain), sweep->prefix) &&
           virDomainGetUUIDString(domain, uuid) == 0 && !g_hash_table_contains(sweep->known, uuid);
}

static int
destroy_strays(const Sweep *sweep, GError **error)
{
    g_autoptr(virConnect) connection = vm_connect(sweep->vm, error);
    virDomainPtr *domains = NULL;
    int found, destroyed = 0;

    if (!connection)
        return -1;
    found = virConnectListAllDomains(connection, &domains, /* flags= */ 0);
    if (found < 0) {
        vm_error_set(error, "cannot list the machines");
        return -1;
    }
    for (int i = 0; i < found; i++) {
        if (is_stray(sweep, domains[i]) &&
            vm_destroy_domain(domains[i], error && !*error ? error : NULL)) {
            vm_remove_traces(sweep->vm, virDomainGetName(domains[i]), /* socket= */ NULL);
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
    Sweep *sweep = g_new0(Sweep, 1);
    GHashTableIter iter;
    gpointer uuid;

    sweep->vm = (LibvirtVm *)vm;
    sweep->prefix = g_strdup(prefix);
    sweep->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, sweep->vm->machines);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_hash_table_add(sweep->known, g_strdup(uuid));
    g_task_set_task_data(task, sweep, sweep_free);
    vm_run(sweep->vm, task, run_sweep);
}

int
libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}
