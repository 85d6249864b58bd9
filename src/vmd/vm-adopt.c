/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-adopt: machines that the previous instance of the daemon left are adopted or destroyed.
 *
 * QEMU serves one connection of its channel at a time and listens again when that connection ends,
 * so a machine whose daemon died waits for the next daemon. A machine that is paused for any reason
 * but a full disk was never completely started.
 *
 * A machine is gone only if libvirt says so. Any other failure is tried again: libvirtd may be
 * restarting, and a QEMU that stands still does not accept connections.
 */
#include "vm-adopt.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include "error.h"
#include "vm-destroy.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-limits.h"
#include "vm-look.h"

/* Between attempts. A new connection to libvirt ends the pause. */
#define PAUSE_MS 500

typedef struct {
    LibvirtVm *vm;
    char *name, *socket;
    LibvirtMachine *machine; /* main context only, as the next four */
    GTask *task;             /* of the caller of libvirt_adopt_async() */
    gint64 busy_since_us;    /* QEMU accepts no connection; 0: not so */
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
    /* The previous instance of the daemon may have held it (PAUSED_USER). */
    adoption->is_stalled = state == VIR_DOMAIN_PAUSED && (reason == VIR_DOMAIN_PAUSED_IOERROR ||
                                                          reason == VIR_DOMAIN_PAUSED_USER);
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
    if (!adoption->socket) /* somebody else has its channel */
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
    if (adoption->is_stalled)
        vm_machine_set_stalled(machine, TRUE);
    vm_look(adoption->vm); /* events before this moment did not find it */
    *ret_fd = adoption->fd;
    adoption->fd = -1;
    return &machine->base;
}

/* --- machines that nobody adopts --- */

/* libvirt may be unable to destroy a machine for a long time. That must not keep others from
 * starting: it is tried again in the background. */
#define SWEEP_PATIENCE_S 5

typedef struct {
    char *name, *uuid;
} Stray;

typedef struct {
    LibvirtVm *vm;
    char *prefix;
    GTask *task;       /* of the caller of libvirt_sweep_async(); NULL: it was finished */
    GHashTable *known; /* uuids of machines of this Vm, and names of those that it adopts */
    GArray *strays;
    guint waiting; /* strays that are being destroyed */
    int destroyed;
    guint timer; /* of the next attempt, or of the patience; 0: none */
    gboolean has_warned;
    guint stops; /* of the Vm, when it began */
} MachineSweep;

static void
stray_clear(gpointer data)
{
    Stray *stray = data;

    g_free(stray->name);
    g_free(stray->uuid);
}

static void
sweep_free(MachineSweep *sweep)
{
    g_array_unref(sweep->strays);
    g_hash_table_unref(sweep->known);
    g_free(sweep->prefix);
    g_free(sweep);
}

/* Takes the error (NULL: it is over). The sweep is freed, or when its last stray is destroyed. */
static void
finish_sweep(MachineSweep *sweep, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&sweep->task);

    g_clear_handle_id(&sweep->timer, g_source_remove);
    if (task && error)
        g_task_return_error(task, error);
    else if (task)
        g_task_return_int(task, sweep->destroyed);
    if (sweep->waiting == 0)
        sweep_free(sweep);
}

static void
on_stray_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    MachineSweep *sweep = data;
    g_autoptr(GError) error = NULL;

    if (libvirt_destroy_finish(&sweep->vm->base, result, &error))
        sweep->destroyed++;
    else
        g_warning("%s", error->message);
    if (--sweep->waiting == 0)
        finish_sweep(sweep, NULL);
}

static gboolean
on_patience_over(gpointer data)
{
    MachineSweep *sweep = data;

    sweep->timer = 0;
    finish_sweep(sweep, NULL);
    return G_SOURCE_REMOVE;
}

static void
destroy_stray(MachineSweep *sweep, const Stray *stray)
{
    static const MachineEvents no_events;
    const MachineSpec spec = {.name = stray->name};
    LibvirtMachine *machine = vm_machine_new(&sweep->vm->machines, &spec, &no_events, NULL);

    vm_machine_set_uuid(machine, stray->uuid);
    machine->pid = vm_read_pid(&sweep->vm->embed, stray->name);
    sweep->waiting++;
    libvirt_destroy_async(&machine->base, on_stray_destroyed, sweep);
}

static void
list_known(MachineSweep *sweep)
{
    const LibvirtVm *vm = sweep->vm;
    GHashTableIter iter;
    gpointer uuid;

    g_hash_table_remove_all(sweep->known);
    g_hash_table_iter_init(&iter, vm->machines.by_uuid);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_hash_table_add(sweep->known, g_strdup(uuid));
    for (guint i = 0; i < vm->adoptions->len; i++)
        g_hash_table_add(sweep->known,
                         g_strdup(((const MachineAdoption *)vm->adoptions->pdata[i])->name));
}

static gboolean
is_known(const MachineSweep *sweep, const char *name, const char *uuid)
{
    return g_hash_table_contains(sweep->known, name) || g_hash_table_contains(sweep->known, uuid);
}

/* An adoption may have begun while the machines were listed. */
static void
destroy_strays(MachineSweep *sweep)
{
    list_known(sweep);
    for (guint i = 0; i < sweep->strays->len; i++) {
        const Stray *stray = &g_array_index(sweep->strays, Stray, i);

        if (!is_known(sweep, stray->name, stray->uuid))
            destroy_stray(sweep, stray);
    }
    if (sweep->waiting == 0)
        finish_sweep(sweep, NULL);
    else
        sweep->timer = g_timeout_add_seconds(SWEEP_PATIENCE_S, on_patience_over, sweep);
}

static void
add_stray(MachineSweep *sweep, virDomainPtr domain)
{
    const char *name = virDomainGetName(domain);
    char uuid[VIR_UUID_STRING_BUFLEN];
    Stray stray;

    if (!g_str_has_prefix(name, sweep->prefix) || virDomainGetUUIDString(domain, uuid) < 0 ||
        is_known(sweep, name, uuid))
        return;
    stray = (Stray){g_strdup(name), g_strdup(uuid)};
    g_array_append_val(sweep->strays, stray);
}

/* Stops the scopes of machines that are not in libvirt's list, which was made after theirs. */
static void
stop_scopes(MachineSweep *sweep, char **units, virDomainPtr *domains, int count)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (int i = 0; i < count; i++)
        g_hash_table_add(names, (char *)virDomainGetName(domains[i]));
    for (guint i = 0; units && units[i]; i++) {
        g_autofree char *machine = limits_scope_machine(units[i]);

        if (machine && !g_hash_table_contains(names, machine))
            limits_stop_scope(units[i]);
    }
}

static gboolean
list_strays(MachineSweep *sweep, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(sweep->vm->connection, error);
    g_auto(GStrv) units = sweep->vm->has_slice ? limits_list_scopes(sweep->prefix) : NULL;
    virDomainPtr *domains = NULL;
    int found;

    if (!libvirt)
        return FALSE;
    found = virConnectListAllDomains(libvirt, &domains, /* flags= */ 0);
    if (found < 0)
        return vm_error_set(error, "cannot list the machines");
    stop_scopes(sweep, units, domains, found);
    for (int i = 0; i < found; i++) {
        add_stray(sweep, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    return TRUE;
}

static void
run_sweep(GTask *attempt)
{
    GError *error = NULL;

    if (list_strays(g_task_get_task_data(attempt), &error))
        g_task_return_boolean(attempt, TRUE);
    else
        g_task_return_error(attempt, error);
}

static void try_sweep(MachineSweep *sweep);

static gboolean
on_sweep_pause_over(gpointer data)
{
    MachineSweep *sweep = data;

    sweep->timer = 0;
    g_ptr_array_remove_fast(sweep->vm->sweeps, sweep);
    try_sweep(sweep);
    return G_SOURCE_REMOVE;
}

static void
on_sweep_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    MachineSweep *sweep = data;
    g_autoptr(GError) error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error)) {
        destroy_strays(sweep);
    } else if (sweep->vm->stops_trying || sweep->stops != sweep->vm->stops) {
        finish_sweep(sweep, g_steal_pointer(&error)); /* others adopt the machines now */
    } else {
        if (!sweep->has_warned)
            g_warning("What the previous instance of the service left cannot be removed yet: %s",
                      error->message);
        sweep->has_warned = TRUE;
        sweep->timer = g_timeout_add(PAUSE_MS, on_sweep_pause_over, sweep);
        g_ptr_array_add(sweep->vm->sweeps, sweep);
    }
}

static void
try_sweep(MachineSweep *sweep)
{
    GTask *attempt = g_task_new(/* source= */ NULL, NULL, on_sweep_tried, sweep);

    list_known(sweep);
    g_task_set_task_data(attempt, sweep, /* free= */ NULL);
    workers_run(sweep->vm->workers, attempt, run_sweep);
}

void
libvirt_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    MachineSweep *sweep = g_new0(MachineSweep, 1);

    sweep->task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    sweep->vm = (LibvirtVm *)vm;
    sweep->stops = sweep->vm->stops;
    sweep->prefix = g_strdup(prefix);
    sweep->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sweep->strays = g_array_new(FALSE, FALSE, sizeof(Stray));
    g_array_set_clear_func(sweep->strays, stray_clear);
    try_sweep(sweep);
}

int
libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

/* --- all of them --- */

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
    while (vm->sweeps->len > 0) {
        MachineSweep *sweep = g_ptr_array_steal_index_fast(vm->sweeps, 0);

        g_clear_handle_id(&sweep->timer, g_source_remove);
        try_sweep(sweep);
    }
}

static GError *
new_stop_error(void)
{
    return g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                               "the service stops; its next instance tries again");
}

void
vm_stop_adoptions(LibvirtVm *vm)
{
    g_autoptr(GPtrArray) adoptions = g_ptr_array_copy(vm->adoptions, NULL, NULL);

    vm->stops++;
    for (guint i = 0; i < adoptions->len; i++)
        if (((const MachineAdoption *)adoptions->pdata[i])->timer != 0)
            finish_adoption(adoptions->pdata[i], new_stop_error());
    while (vm->sweeps->len > 0) {
        finish_sweep(g_ptr_array_steal_index_fast(vm->sweeps, 0), new_stop_error());
    }
}
