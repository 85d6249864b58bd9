/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-sweep: destroys strays, which are machines of cloche that nobody holds or adopts.
 *
 * A sweep also stops scopes of machines that libvirt does not know any more (vm-limits.h).
 */
#include "vm-sweep.h"

#include "vm-adopt.h"
#include "vm-destroy.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-limits.h"

/* Between attempts. A new connection to libvirt ends the pause. */
#define PAUSE_MS 500
/* libvirt may be unable to destroy a machine for a long time. Other machines must be able to start
 * meanwhile, so the sweep finishes after this time, and goes on in the background. */
#define PATIENCE_S 5

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
    guint stops; /* of the Vm, when the sweep began */
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

/* Takes the error (NULL: it is over). The sweep is freed now, or when its last stray has
 * been destroyed. */
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
    GHashTableIter iter;
    gpointer uuid;

    g_hash_table_remove_all(sweep->known);
    g_hash_table_iter_init(&iter, sweep->vm->machines.by_uuid);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_hash_table_add(sweep->known, g_strdup(uuid));
    vm_list_adoptions(sweep->vm, sweep->known);
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
        sweep->timer = g_timeout_add_seconds(PATIENCE_S, on_patience_over, sweep);
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
    g_auto(GStrv) units = NULL;
    virDomainPtr *domains = NULL;
    int found;

    if (!libvirt)
        return FALSE;
    if (sweep->vm->has_slice)
        units = limits_list_scopes(sweep->prefix);
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
on_pause_over(gpointer data)
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
        sweep->timer = g_timeout_add(PAUSE_MS, on_pause_over, sweep);
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
vm_retry_sweeps(LibvirtVm *vm)
{
    while (vm->sweeps->len > 0) {
        MachineSweep *sweep = g_ptr_array_steal_index_fast(vm->sweeps, 0);

        g_clear_handle_id(&sweep->timer, g_source_remove);
        try_sweep(sweep);
    }
}

void
vm_stop_sweeps(LibvirtVm *vm)
{
    vm->stops++;
    while (vm->sweeps->len > 0)
        finish_sweep(g_ptr_array_steal_index_fast(vm->sweeps, 0), vm_error_stopping());
}
