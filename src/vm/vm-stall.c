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
    LibvirtVm *vm;
    char *name;
} Resume;

static void
resume_free(gpointer data)
{
    Resume *resume = data;

    g_free(resume->name);
    g_free(resume);
}

/* Its event tells when it goes on; what fails is tried again. */
static void
run_resume(GTask *task)
{
    const Resume *resume = g_task_get_task_data(task);
    g_autoptr(virConnect) connection = vm_connect(resume->vm, /* error= */ NULL);
    g_autoptr(virDomain) domain =
        connection ? virDomainLookupByName(connection, resume->name) : NULL;

    if (domain)
        virDomainResume(domain);
    g_task_return_boolean(task, TRUE);
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
    GTask *task;
    Resume *resume;

    if (!has_room(machine))
        return G_SOURCE_CONTINUE;
    resume = g_new0(Resume, 1);
    resume->vm = (LibvirtVm *)machine->base.vm;
    resume->name = g_strdup(machine->name);
    task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, NULL, NULL);
    g_task_set_task_data(task, resume, resume_free);
    vm_run(resume->vm, task, run_resume);
    return G_SOURCE_CONTINUE;
}

void
vm_machine_stall(LibvirtMachine *machine)
{
    if (machine->is_stalled || !machine->given)
        return;
    machine->is_stalled = TRUE;
    machine->stall_timer = g_timeout_add_seconds(LOOK_EVERY_S, on_timer, machine);
    machine->events->stalled(&machine->base, TRUE, machine->events_data);
}

void
vm_machine_unstall(LibvirtMachine *machine)
{
    if (!machine->is_stalled)
        return;
    machine->is_stalled = FALSE;
    g_clear_handle_id(&machine->stall_timer, g_source_remove);
    if (!machine->over)
        machine->events->stalled(&machine->base, FALSE, machine->events_data);
}
