/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-stall: machines that stand still because the host's disk is full.
 *
 * QEMU stops a guest whose write finds no room, so that nothing of it is lost. It goes on when
 * there is some again; resuming it before that would only stop it once more.
 */
#include <sys/statvfs.h>

#include "vm-error.h"
#include "vm-libvirt.h"

#define LOOK_EVERY_S 1
#define ROOM_BYTES (64u * 1024 * 1024)

typedef struct {
    LibvirtMachine *machine; /* main context only; NULL: it is gone */
    LibvirtVm *vm;
    char *uuid;
} Resume;

static void
resume_free(gpointer data)
{
    Resume *resume = data;

    g_free(resume->uuid);
    g_free(resume);
}

static void
run_resume(GTask *task)
{
    const Resume *resume = g_task_get_task_data(task);
    g_autoptr(virConnect) connection = vm_connect(resume->vm, /* error= */ NULL);
    g_autoptr(virDomain) domain =
        connection ? virDomainLookupByUUIDString(connection, resume->uuid) : NULL;

    g_task_return_boolean(task, domain && virDomainResume(domain) == 0);
}

/* Its event tells when it goes on. One that could not be resumed may do so already. */
static void
on_resumed(GObject *source, GAsyncResult *result, gpointer data)
{
    const Resume *resume = g_task_get_task_data(G_TASK(result));
    gboolean resumed = g_task_propagate_boolean(G_TASK(result), /* error= */ NULL);

    if (!resume->machine)
        return;
    resume->machine->resume = NULL;
    if (!resumed && resume->machine->is_stalled)
        vm_look(resume->vm);
}

static void
resume(LibvirtMachine *machine)
{
    Resume *attempt = g_new0(Resume, 1);

    attempt->machine = machine;
    attempt->vm = (LibvirtVm *)machine->base.vm;
    attempt->uuid = g_strdup(machine->uuid);
    machine->resume = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_resumed, NULL);
    g_task_set_task_data(machine->resume, attempt, resume_free);
    vm_run(attempt->vm, machine->resume, run_resume);
}

static gboolean
has_room(const LibvirtMachine *machine)
{
    struct statvfs fs;

    return statvfs(machine->disk, &fs) < 0 || fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
}

static gboolean
on_timer(gpointer data)
{
    LibvirtMachine *machine = data;

    if (!machine->resume && has_room(machine))
        resume(machine);
    return G_SOURCE_CONTINUE;
}

void
vm_machine_tell_stalled(LibvirtMachine *machine)
{
    if (!machine->given || machine->is_stalled == machine->told_stalled)
        return;
    machine->told_stalled = machine->is_stalled;
    machine->events->stalled(&machine->base, machine->is_stalled, machine->events_data);
}

void
vm_machine_stall(LibvirtMachine *machine)
{
    if (machine->is_stalled)
        return;
    machine->is_stalled = TRUE;
    machine->stall_timer = g_timeout_add_seconds(LOOK_EVERY_S, on_timer, machine);
    vm_machine_tell_stalled(machine);
}

void
vm_machine_unstall(LibvirtMachine *machine)
{
    if (!machine->is_stalled)
        return;
    machine->is_stalled = FALSE;
    g_clear_handle_id(&machine->stall_timer, g_source_remove);
    vm_machine_tell_stalled(machine);
}

void
vm_machine_stop_stall(LibvirtMachine *machine)
{
    g_clear_handle_id(&machine->stall_timer, g_source_remove);
    if (machine->resume)
        ((Resume *)g_task_get_task_data(machine->resume))->machine = NULL;
}
