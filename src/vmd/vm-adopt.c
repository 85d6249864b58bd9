/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-adopt: adopts the machines that the previous instance of the daemon left, or destroys them.
 *
 * QEMU serves one connection of its channel at a time and listens again when that connection ends,
 * so a machine whose daemon died waits for the next daemon. A machine that is paused for any reason
 * but a full disk was never completely started.
 *
 * A machine is gone only if libvirt says so. After any other failure, the adoption is tried again:
 * libvirtd may be restarting, and a QEMU that stands still does not accept connections.
 */
#include "vm-adopt.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include "error.h"
#include "vm-destroy.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-look.h"

/* Between attempts. A new connection to libvirt ends the pause. */
#define PAUSE_MS 500

typedef struct {
    LibvirtVm *vm;
    char *name, *socket;
    LibvirtMachine *machine; /* main context only, as the next four */
    GTask *task;             /* of the caller of libvirt_adopt_async() */
    gint64 busy_since_us;    /* QEMU accepts no connection since then; 0: it does */
    guint timer;             /* of the next attempt; 0: an attempt is under way */
    gboolean has_warned;
    char uuid[VIR_UUID_STRING_BUFLEN];
    pid_t pid;
    int fd;
    gboolean is_stalled;
    GError *error; /* why it is destroyed */
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
    g_clear_error(&adoption->error);
    g_free(adoption);
}

static gboolean
set_gone(GError **error, const char *name, const char *why)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "machine '%s': %s", name, why);
    return FALSE;
}

/* After a call of libvirt that failed. */
static gboolean
set_failed(GError **error, const char *name)
{
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        return set_gone(error, name, "it is gone");
    return vm_error_set(error, "libvirt cannot tell whether machine '%s' runs", name);
}

static gboolean
check_state(virDomainPtr domain, MachineAdoption *adoption, GError **error)
{
    int state, reason;

    if (vm_state_is_uncertain(domain)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "libvirt still waits for the QEMU of machine '%s'", adoption->name);
        return FALSE;
    }
    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return set_failed(error, adoption->name);
    /* The previous instance of the daemon may have held it (PAUSED_USER). A libvirtd that died
     * meanwhile may not know the reason. */
    adoption->is_stalled = state == VIR_DOMAIN_PAUSED &&
                           (reason == VIR_DOMAIN_PAUSED_IOERROR ||
                            reason == VIR_DOMAIN_PAUSED_USER || adoption->machine->is_held);
    if (state == VIR_DOMAIN_RUNNING || adoption->is_stalled)
        return TRUE;
    return set_gone(error, adoption->name, "it is not running");
}

/* The queue of a listener whose QEMU stands still is full after a few connections of earlier
 * instances of the daemon. */
static gboolean
connect_channel(MachineAdoption *adoption, GError **error)
{
    g_autoptr(GError) cause = NULL;

    adoption->fd = vm_connect_socket(adoption->socket, &cause);
    if (adoption->fd >= 0)
        return TRUE;
    if (g_error_matches(cause, CLOCHE_ERROR, CLOCHE_ERROR_BUSY)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    return set_gone(error, adoption->name, cause->message);
}

static gboolean
adopt(MachineAdoption *adoption, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(adoption->vm->connection, error);
    g_autoptr(virDomain) domain = NULL;

    if (!libvirt)
        return FALSE;
    domain = virDomainLookupByName(libvirt, adoption->name);
    if (!domain || virDomainGetUUIDString(domain, adoption->uuid) < 0)
        return set_failed(error, adoption->name);
    if (!check_state(domain, adoption, error))
        return FALSE;
    adoption->pid = vm_read_pid(&adoption->vm->embed, adoption->name);
    if (!adoption->socket) /* the caller has its channel already */
        return TRUE;
    return connect_channel(adoption, error);
}

static void
run_adopt(GTask *attempt)
{
    GError *error = NULL;

    if (adopt(g_task_get_task_data(attempt), &error))
        g_task_return_boolean(attempt, TRUE);
    else
        g_task_return_error(attempt, error);
}

static void try_adopt(MachineAdoption *adoption);

static gboolean
on_pause_over(gpointer data)
{
    MachineAdoption *adoption = data;

    adoption->timer = 0;
    try_adopt(adoption);
    return G_SOURCE_REMOVE;
}

/* Takes the error (NULL: it was adopted). */
static void
finish_adoption(MachineAdoption *adoption, GError *error)
{
    g_autoptr(GTask) task = adoption->task;

    g_clear_handle_id(&adoption->timer, g_source_remove);
    g_ptr_array_remove_fast(adoption->vm->adoptions, adoption);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    MachineAdoption *adoption = data;
    g_autoptr(GError) error = NULL;

    if (!libvirt_destroy_finish(&adoption->vm->base, result, &error))
        g_warning("%s", error->message);
    finish_adoption(adoption, g_steal_pointer(&adoption->error));
}

/* Takes the error. The machine cannot go on, but its QEMU may exist. */
static void
give_up(MachineAdoption *adoption, GError *error)
{
    LibvirtMachine *machine;

    if (*adoption->uuid == '\0') {
        finish_adoption(adoption, error);
        return;
    }
    adoption->error = error;
    machine = g_steal_pointer(&adoption->machine);
    vm_machine_set_uuid(machine, adoption->uuid);
    libvirt_destroy_async(&machine->base, on_destroyed, adoption);
}

static gboolean
is_silent_too_long(MachineAdoption *adoption, const GError *error)
{
    gint64 now_us = g_get_monotonic_time();

    if (!g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY)) {
        adoption->busy_since_us = 0;
        return FALSE;
    }
    if (adoption->busy_since_us == 0)
        adoption->busy_since_us = now_us;
    return now_us - adoption->busy_since_us >= VM_ADOPT_TIMEOUT_S * G_USEC_PER_SEC;
}

static void
on_adopt_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    MachineAdoption *adoption = data;
    g_autoptr(GError) error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error)) {
        finish_adoption(adoption, NULL);
    } else if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST)) {
        give_up(adoption, g_steal_pointer(&error));
    } else if (adoption->vm->stops_trying) {
        finish_adoption(adoption, g_steal_pointer(&error));
    } else if (is_silent_too_long(adoption, error)) {
        give_up(adoption, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                                      "machine '%s' accepts no connection", adoption->name));
    } else {
        if (!adoption->has_warned)
            g_warning("Machine '%s' cannot be adopted yet: %s", adoption->name, error->message);
        adoption->has_warned = TRUE;
        adoption->timer = g_timeout_add(PAUSE_MS, on_pause_over, adoption);
    }
}

static void
try_adopt(MachineAdoption *adoption)
{
    GTask *attempt = g_task_new(/* source= */ NULL, NULL, on_adopt_tried, adoption);

    g_task_set_task_data(attempt, adoption, /* free= */ NULL);
    workers_run(adoption->vm->workers, attempt, run_adopt);
}

void
libvirt_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GAsyncReadyCallback callback, gpointer data)
{
    MachineAdoption *adoption = g_new0(MachineAdoption, 1);

    adoption->task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    adoption->vm = (LibvirtVm *)vm;
    adoption->name = g_strdup(spec->name);
    adoption->socket = g_strdup(spec->socket);
    adoption->machine = vm_machine_new(&adoption->vm->machines, spec, events, events_data);
    adoption->fd = -1;
    g_task_set_task_data(adoption->task, adoption, adoption_free);
    g_ptr_array_add(adoption->vm->adoptions, adoption);
    try_adopt(adoption);
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
    machine->was_suspended = adoption->is_stalled;
    if (adoption->is_stalled)
        vm_machine_set_stalled(machine, TRUE);
    if (machine->is_held)
        vm_machine_hold(machine, TRUE);
    vm_look(adoption->vm); /* it got no event before this moment */
    *ret_fd = adoption->fd;
    adoption->fd = -1;
    return &machine->base;
}

/* --- all of them --- */

void
vm_list_adoptions(const LibvirtVm *vm, GHashTable *names)
{
    for (guint i = 0; i < vm->adoptions->len; i++)
        g_hash_table_add(names, g_strdup(((const MachineAdoption *)vm->adoptions->pdata[i])->name));
}

void
vm_retry_adoptions(LibvirtVm *vm)
{
    for (guint i = 0; i < vm->adoptions->len; i++) {
        MachineAdoption *adoption = vm->adoptions->pdata[i];

        if (adoption->timer == 0)
            continue;
        g_clear_handle_id(&adoption->timer, g_source_remove);
        try_adopt(adoption);
    }
}

void
vm_stop_adoptions(LibvirtVm *vm)
{
    g_autoptr(GPtrArray) adoptions = g_ptr_array_copy(vm->adoptions, NULL, NULL);

    for (guint i = 0; i < adoptions->len; i++)
        if (((const MachineAdoption *)adoptions->pdata[i])->timer != 0)
            finish_adoption(adoptions->pdata[i], vm_error_stopping());
}
