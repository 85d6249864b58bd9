/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-look: what became of machines while nobody listened.
 *
 * Events are heard by a connection, so all between two of them is missed, and what happened to a
 * machine before it was adopted. A look is a worker's, and the machines may change meanwhile: what
 * an event said since it began is newer than what it found.
 */
#include <libvirt/virterror.h>

#include "vm-libvirt.h"

/* Between attempts to connect. Each use of the connection is one, too. */
#define PAUSE_MIN_S 1
#define PAUSE_MAX_S 30

typedef enum { FOUND_NOTHING_NEW, FOUND_GONE, FOUND_RUNNING, FOUND_STALLED } Found;

typedef struct {
    char uuid[VIR_UUID_STRING_BUFLEN];
    guint changes; /* of the machine, when the look began */
    Found found;
} Seen;

typedef struct {
    LibvirtVm *vm; /* NULL: it is closed */
    GArray *seen;
} Look;

static void
look_free(gpointer data)
{
    Look *look = data;

    g_array_unref(look->seen);
    g_free(look);
}

static Found
find(virConnectPtr connection, const char *uuid)
{
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, uuid);
    int state, reason;

    if (!domain)
        return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? FOUND_GONE : FOUND_NOTHING_NEW;
    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return FOUND_NOTHING_NEW;
    if (state == VIR_DOMAIN_RUNNING)
        return FOUND_RUNNING;
    if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR)
        return FOUND_STALLED;
    return FOUND_NOTHING_NEW;
}

static void
run_look(GTask *task)
{
    Look *look = g_task_get_task_data(task);
    g_autoptr(virConnect) connection = vm_connect(look->vm, /* error= */ NULL);

    for (guint i = 0; connection && i < look->seen->len; i++) {
        Seen *seen = &g_array_index(look->seen, Seen, i);

        seen->found = find(connection, seen->uuid);
    }
    g_task_return_boolean(task, connection != NULL);
}

static void
apply(LibvirtVm *vm, const Seen *seen)
{
    LibvirtMachine *machine = g_hash_table_lookup(vm->machines, seen->uuid);

    if (!machine || machine->over)
        return;
    if (seen->found == FOUND_GONE) {
        vm_machine_note_end(machine, MACHINE_DIED);
        vm_machine_over(machine);
    } else if (machine->changes == seen->changes && seen->found == FOUND_STALLED) {
        vm_machine_stall(machine);
    } else if (machine->changes == seen->changes && seen->found == FOUND_RUNNING) {
        vm_machine_unstall(machine);
    }
}

static gboolean
on_pause_over(gpointer data)
{
    LibvirtVm *vm = data;

    vm->look_timer = 0;
    vm_look(vm);
    return G_SOURCE_REMOVE;
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    const Look *look = g_task_get_task_data(G_TASK(result));
    LibvirtVm *vm = look->vm;
    gboolean connected = g_task_propagate_boolean(G_TASK(result), /* error= */ NULL);

    if (!vm)
        return;
    vm->look = NULL;
    if (!connected) {
        vm->look_timer = g_timeout_add_seconds(vm->look_pause_s, on_pause_over, vm);
        vm->look_pause_s = MIN(vm->look_pause_s * 2, PAUSE_MAX_S);
        return;
    }
    vm->look_pause_s = PAUSE_MIN_S;
    for (guint i = 0; i < look->seen->len; i++)
        apply(vm, &g_array_index(look->seen, Seen, i));
    vm_retry_destroys(vm);
    if (vm->look_again)
        vm_look(vm);
}

/* Only machines that have been given away: others are still being made. */
static GArray *
list_machines(LibvirtVm *vm)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(Seen));
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vm->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value)) {
        const LibvirtMachine *machine = value;
        Seen seen = {.changes = machine->changes};

        if (!machine->given || machine->over)
            continue;
        g_strlcpy(seen.uuid, machine->uuid, sizeof seen.uuid);
        g_array_append_val(list, seen);
    }
    return list;
}

void
vm_look(LibvirtVm *vm)
{
    Look *look;

    vm->look_again = vm->look != NULL;
    if (vm->look_again)
        return;
    g_clear_handle_id(&vm->look_timer, g_source_remove);
    look = g_new0(Look, 1);
    look->vm = vm;
    look->seen = list_machines(vm);
    vm->look = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_looked, NULL);
    g_task_set_task_data(vm->look, look, look_free);
    vm_run(vm, vm->look, run_look);
}

void
vm_look_stop(LibvirtVm *vm)
{
    g_clear_handle_id(&vm->look_timer, g_source_remove);
    if (vm->look)
        ((Look *)g_task_get_task_data(vm->look))->vm = NULL;
}
