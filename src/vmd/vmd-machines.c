/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-machines: which machines there are, who holds them, and their events. */
#include "vmd-files.h"
#include "vmd-private.h"

VmdMachine *
vmd_machine_find(VmdServer *server, const char *name)
{
    return g_hash_table_lookup(server->machines, name);
}

VmdMachine *
vmd_machine_get(VmdServer *server, const char *name)
{
    VmdMachine *machine = vmd_machine_find(server, name);

    if (machine)
        return machine;
    machine = g_new0(VmdMachine, 1);
    machine->server = server;
    machine->name = g_strdup(name);
    g_queue_init(&machine->queue);
    g_hash_table_insert(server->machines, machine->name, machine);
    return machine;
}

/* Requests whose connection has ended are dropped. */
static VmdWork *
take_next(VmdMachine *machine)
{
    VmdWork *work;

    while ((work = g_queue_pop_head(&machine->queue)) && !vmd_work_is_wanted(work))
        vmd_work_free(work);
    return work;
}

void
vmd_machine_release(VmdMachine *machine, gboolean is_gone)
{
    VmdWork *next = take_next(machine);

    machine->is_busy = FALSE;
    if (is_gone) {
        machine->uid = 0;
        vmd_files_remove(machine->server->config->own, machine->name);
    }
    if (next)
        next->begin(next, &next->request);
    else if (is_gone)
        g_hash_table_remove(machine->server->machines, machine->name); /* frees it */
}

void
vmd_machine_leave(VmdMachine *machine)
{
    if (machine->machine) {
        machine_leave(g_steal_pointer(&machine->machine));
        machine->may_live = TRUE;
    }
    machine->is_stalled = FALSE;
}

/* A busy one is left when its request has finished. */
void
vmd_machines_leave_all(VmdServer *server)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, server->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value))
        if (!((VmdMachine *)value)->is_busy)
            vmd_machine_leave(value);
}

static gboolean
is_kept(const char *name, gpointer data)
{
    const VmdMachine *machine = vmd_machine_find(data, name);

    return machine && (machine->machine || machine->is_busy || machine->may_live);
}

void
vmd_machines_begin_sweep(VmdServer *server)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, server->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value))
        ((VmdMachine *)value)->may_live = FALSE;
}

void
vmd_machines_forget_strays(VmdServer *server, const char *prefix)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, server->machines);
    while (g_hash_table_iter_next(&iter, &name, /* value= */ NULL))
        if (g_str_has_prefix(name, prefix) && !is_kept(name, server))
            g_hash_table_iter_remove(&iter);
    vmd_files_sweep(server->config->own, prefix, is_kept, server);
}

gboolean
vmd_machines_use_uid(const VmdServer *server, uid_t uid)
{
    GHashTableIter iter;
    gpointer value;

    if (uid == 0)
        return FALSE;
    if (server->is_probing && server->probe_uid == uid)
        return TRUE;
    g_hash_table_iter_init(&iter, server->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value))
        if (((const VmdMachine *)value)->uid == uid)
            return TRUE;
    return FALSE;
}

/* --- events --- */

static void
send_event(VmdMachine *machine, VmAnswerType type, gint32 number)
{
    VmAnswer answer;

    vm_answer_init(&answer, type, /* serial= */ 0);
    answer.number = number;
    vm_field_set(answer.name, VM_NAME_SIZE, machine->name);
    vmd_answer(machine->server, &answer, /* fd= */ -1);
}

static void
on_ended(Machine *base, MachineEnd how, gpointer data)
{
    send_event(data, VM_ANSWER_ENDED, (gint32)how);
}

/* During an adoption the machine is not held yet, and the answer says that it is stalled. */
static void
on_stalled(Machine *base, gboolean is_stalled, gpointer data)
{
    VmdMachine *machine = data;

    machine->is_stalled = is_stalled;
    if (machine->machine)
        send_event(machine, VM_ANSWER_STALLED, is_stalled ? 1 : 0);
}

const MachineEvents vmd_machine_events = {on_ended, on_stalled};
