/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-look: finds out what became of machines while no event could be received.
 *
 * Events arrive over a connection. So events between two connections are missed, and so are events
 * of a machine before its adoption. A worker asks libvirt for the states. Meanwhile events may
 * change a machine; they are newer than what the worker found.
 */
#include "vm-look.h"

#include <libvirt/virterror.h>

/* Between attempts to connect, and between looks at a machine that libvirt is busy with. Any other
 * use of the connection is an attempt to connect as well. The pause does not grow: callers wait for
 * machines, and a refused connection costs nothing. */
#define PAUSE_MS 500

typedef enum { FOUND_NOTHING_NEW, FOUND_BUSY, FOUND_GONE, FOUND_RUNNING, FOUND_STALLED } Found;

typedef struct {
    char uuid[VIR_UUID_STRING_BUFLEN];
    guint changes;             /* of the machine, when the look began */
    gboolean stands_for_owner; /* also then */
    Found found;
} FoundMachine;

typedef struct {
    LibvirtVm *vm; /* NULL: it was closed */
    GArray *findings;
} Look;

static void
look_free(gpointer data)
{
    Look *look = data;

    g_array_unref(look->findings);
    g_free(look);
}

gboolean
vm_state_is_uncertain(virDomainPtr domain)
{
    virDomainControlInfo info;

    return virDomainGetControlInfo(domain, &info, /* flags= */ 0) == 0 &&
           (info.state == VIR_DOMAIN_CONTROL_JOB || info.state == VIR_DOMAIN_CONTROL_OCCUPIED);
}

static Found
find(virConnectPtr libvirt, const FoundMachine *machine)
{
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(libvirt, machine->uuid);
    int state, reason;

    if (!domain)
        return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? FOUND_GONE : FOUND_NOTHING_NEW;
    if (vm_state_is_uncertain(domain))
        return FOUND_BUSY;
    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return FOUND_NOTHING_NEW;
    if (state == VIR_DOMAIN_RUNNING)
        return FOUND_RUNNING;
    if (state == VIR_DOMAIN_PAUSED &&
        (reason == VIR_DOMAIN_PAUSED_IOERROR || machine->stands_for_owner))
        return FOUND_STALLED;
    return FOUND_NOTHING_NEW;
}

static void
run_look(GTask *task)
{
    Look *look = g_task_get_task_data(task);
    g_autoptr(virConnect) libvirt = connection_get(look->vm->connection, /* error= */ NULL);

    for (guint i = 0; libvirt && i < look->findings->len; i++) {
        FoundMachine *finding = &g_array_index(look->findings, FoundMachine, i);

        finding->found = find(libvirt, finding);
    }
    g_task_return_boolean(task, libvirt != NULL);
}

static void start_look(LibvirtVm *vm);

static gboolean
on_pause_over(gpointer data)
{
    LibvirtVm *vm = data;

    vm->look.timer = 0;
    start_look(vm);
    return G_SOURCE_REMOVE;
}

static void
look_later(LibvirtVm *vm)
{
    if (vm->look.timer == 0)
        vm->look.timer = g_timeout_add(PAUSE_MS, on_pause_over, vm);
}

static void
apply(LibvirtVm *vm, const FoundMachine *finding)
{
    LibvirtMachine *machine = g_hash_table_lookup(vm->machines.by_uuid, finding->uuid);

    if (!machine || machine->has_ended)
        return;
    if (finding->found == FOUND_GONE) {
        vm_machine_note_end(machine, MACHINE_DIED);
        vm_machine_end(machine);
    } else if (finding->found == FOUND_BUSY) {
        look_later(vm);
    } else if (machine->changes == finding->changes && finding->found != FOUND_NOTHING_NEW) {
        vm_machine_set_stalled(machine, finding->found == FOUND_STALLED);
    }
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    const Look *look = g_task_get_task_data(G_TASK(result));
    LibvirtVm *vm = look->vm;
    gboolean connected = g_task_propagate_boolean(G_TASK(result), /* error= */ NULL);

    if (!vm)
        return;
    vm->look.task = NULL;
    if (!connected) {
        vm->look.must_report = TRUE;
        look_later(vm);
        vm->look.done(vm, FALSE);
        return;
    }
    for (guint i = 0; i < look->findings->len; i++)
        apply(vm, &g_array_index(look->findings, FoundMachine, i));
    if (vm->look.must_report) {
        vm->look.must_report = FALSE;
        vm->look.done(vm, TRUE);
    }
    if (vm->look.again)
        vm_look(vm);
}

/* Machines without an owner are left out: they are still being started. */
static GArray *
list_machines(LibvirtVm *vm)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(FoundMachine));
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vm->machines.by_uuid);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value)) {
        const LibvirtMachine *machine = value;
        FoundMachine finding = {.changes = machine->changes,
                                .stands_for_owner = vm_machine_stands_for_owner(machine)};

        if (!machine->has_owner || machine->has_ended)
            continue;
        g_strlcpy(finding.uuid, machine->uuid, sizeof finding.uuid);
        g_array_append_val(list, finding);
    }
    return list;
}

static void
start_look(LibvirtVm *vm)
{
    Look *look;

    if (vm->look.is_stopped)
        return;
    vm->look.again = vm->look.task != NULL;
    if (vm->look.again)
        return;
    g_clear_handle_id(&vm->look.timer, g_source_remove);
    look = g_new0(Look, 1);
    look->vm = vm;
    look->findings = list_machines(vm);
    vm->look.task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_looked, NULL);
    g_task_set_task_data(vm->look.task, look, look_free);
    workers_run(vm->workers, vm->look.task, run_look);
}

void
vm_look(LibvirtVm *vm)
{
    vm->look.must_report = TRUE;
    start_look(vm);
}

void
vm_look_stop(LibvirtVm *vm)
{
    g_clear_handle_id(&vm->look.timer, g_source_remove);
    if (vm->look.task)
        ((Look *)g_task_get_task_data(vm->look.task))->vm = NULL;
}
