/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-libvirt: machines by libvirt.
 *
 * Every call of libvirt's may block, so each runs in one of a few worker threads and its result
 * comes back by a GTask. A worker sees only what its task holds: the table of machines and the
 * machines themselves belong to the main context. A machine is looked up anew by its uuid each
 * time, because libvirt's handle dies with the connection, and the connection with libvirtd.
 */
#include "vm-libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-error.h"
#include "vm-monitor.h"
#include "vm-reaper.h"

#define WORKERS 4

/* --- workers --- */

typedef struct {
    GTask *task;
    void (*run)(GTask *task);
} Job;

static void
work(gpointer data, gpointer user_data)
{
    LibvirtVm *vm = user_data;
    Job *job = data;

    if (vm->embed.root)
        reaper_expect();
    job->run(job->task);
    if (vm->embed.root)
        reaper_expect_no_more();
    g_object_unref(job->task);
    g_free(job);
}

void
vm_run(LibvirtVm *vm, GTask *task, void (*run)(GTask *task))
{
    Job *job = g_new(Job, 1);

    job->task = task;
    job->run = run;
    g_thread_pool_push(vm->workers, job, /* error= */ NULL);
}

/* --- a machine --- */

LibvirtMachine *
vm_machine_new(LibvirtVm *vm, const MachineSpec *spec, const MachineEvents *events,
               gpointer events_data)
{
    LibvirtMachine *machine = g_new0(LibvirtMachine, 1);

    machine->base.vm = &vm->base;
    machine->name = g_strdup(spec->name);
    machine->socket = g_strdup(spec->socket);
    machine->disk = g_strdup(spec->disk);
    machine->events = events;
    machine->events_data = events_data;
    return machine;
}

void
vm_machine_know(LibvirtMachine *machine, const char *uuid)
{
    LibvirtVm *vm = (LibvirtVm *)machine->base.vm;

    machine->uuid = g_strdup(uuid);
    g_hash_table_insert(vm->machines, machine->uuid, machine);
}

/* Who is told of the end may be in the middle of something, and is told behind that. */
static gboolean
on_news(gpointer data)
{
    LibvirtMachine *machine = data;

    machine->news = 0;
    if (machine->over)
        machine->events->ended(&machine->base, machine->how, machine->events_data);
    else
        vm_machine_tell_stalled(machine);
    return G_SOURCE_REMOVE;
}

Machine *
vm_machine_give(LibvirtMachine *machine, pid_t pid)
{
    machine->pid = pid;
    machine->given = TRUE;
    if (machine->over || machine->is_stalled)
        machine->news = g_idle_add(on_news, machine);
    return &machine->base;
}

void
vm_machine_note_end(LibvirtMachine *machine, MachineEnd how)
{
    if (machine->end_known)
        return;
    machine->end_known = TRUE;
    machine->how = how;
}

void
vm_machine_over(LibvirtMachine *machine)
{
    machine->over = TRUE;
    vm_machine_stop_stall(machine);
    if (machine->given && machine->news == 0)
        machine->news = g_idle_add(on_news, machine);
}

void
vm_machine_free(LibvirtMachine *machine)
{
    LibvirtVm *vm = (LibvirtVm *)machine->base.vm;

    g_clear_handle_id(&machine->news, g_source_remove);
    vm_machine_stop_stall(machine);
    if (machine->uuid)
        g_hash_table_remove(vm->machines, machine->uuid);
    g_free(machine->name);
    g_free(machine->uuid);
    g_free(machine->socket);
    g_free(machine->disk);
    g_free(machine);
}

static pid_t
libvirt_pid(const Machine *machine)
{
    const LibvirtMachine *self = (const LibvirtMachine *)machine;

    return self->over ? 0 : self->pid;
}

void
vm_remove_traces(const LibvirtVm *vm, const char *name, const char *socket)
{
    if (socket)
        unlink(socket);
    if (vm->embed.root) {
        g_autofree char *log = g_strdup_printf("%s/log/qemu/%s.log", vm->embed.root, name);

        unlink(log);
    }
}

/* --- save --- */

typedef struct {
    LibvirtVm *vm;
    char *name;
    char *uuid;
    char *path;
} Target;

static void
target_free(Target *target)
{
    g_free(target->name);
    g_free(target->uuid);
    g_free(target->path);
    g_free(target);
}

static Target *
target_new(const LibvirtMachine *machine, const char *path)
{
    Target *target = g_new0(Target, 1);

    target->vm = (LibvirtVm *)machine->base.vm;
    target->name = g_strdup(machine->name);
    target->uuid = g_strdup(machine->uuid);
    target->path = g_strdup(path);
    return target;
}

static gboolean
save_state(const Target *target, GError **error)
{
    g_autoptr(virConnect) connection = vm_connect(target->vm, error);
    g_autoptr(virDomain) domain = NULL;
    gboolean saved;
    int fd;

    if (!connection)
        return FALSE;
    domain = virDomainLookupByUUIDString(connection, target->uuid);
    if (!domain)
        return vm_error_set(error, "libvirt has lost it");
    fd = open(target->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return util_set_errno(error, errno, "cannot create '%s'", target->path);
    saved = monitor_save(domain, fd, error);
    close(fd);
    if (!saved)
        unlink(target->path);
    return saved;
}

static void
run_save(GTask *task)
{
    const Target *target = g_task_get_task_data(task);
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    if (!save_state(target, &error)) {
        g_prefix_error(&error, "machine '%s' was not saved: ", target->name);
        g_task_return_error(task, error);
        return;
    }
    g_debug("machine '%s': saved in %.1f ms", target->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    g_task_return_boolean(task, TRUE);
}

static void
libvirt_save_async(Machine *machine, const char *path, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    Target *target = target_new((LibvirtMachine *)machine, path);

    g_task_set_task_data(task, target, (GDestroyNotify)target_free);
    vm_run(target->vm, task, run_save);
}

static gboolean
libvirt_save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- leave --- */

static void
libvirt_leave(Machine *machine)
{
    vm_machine_free((LibvirtMachine *)machine);
}

/* --- the connection's life --- */

static void
libvirt_close(Vm *vm)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    if (self->workers)
        g_thread_pool_free(self->workers, /* immediate= */ FALSE, /* wait= */ TRUE);
    vm_disconnect(self);
    embed_clear(&self->embed);
    g_hash_table_unref(self->machines);
    g_ptr_array_unref(self->retries);
    g_mutex_clear(&self->lock);
    vm_facts_clear(&self->facts);
    g_free(self->uri);
    g_free(self);
}

static const VmOps libvirt_ops = {
    .close = libvirt_close,
    .probe_async = libvirt_probe_async,
    .probe_finish = libvirt_probe_finish,
    .probe_pause_ms = libvirt_probe_pause_ms,
    .start_async = libvirt_start_async,
    .start_finish = libvirt_start_finish,
    .adopt_async = libvirt_adopt_async,
    .adopt_finish = libvirt_adopt_finish,
    .save_async = libvirt_save_async,
    .save_finish = libvirt_save_finish,
    .destroy_async = libvirt_destroy_async,
    .destroy_finish = libvirt_destroy_finish,
    .leave = libvirt_leave,
    .stop_trying = libvirt_stop_trying,
    .pid = libvirt_pid,
    .sweep_async = libvirt_sweep_async,
    .sweep_finish = libvirt_sweep_finish,
};

/* Every error is returned to who called; without this libvirt prints it as well. */
static void
ignore_error(void *data, virErrorPtr error)
{
}

static LibvirtVm *
libvirt_vm_new(const char *uri)
{
    LibvirtVm *vm = g_new0(LibvirtVm, 1);

    vm->base.ops = &libvirt_ops;
    vm->uri = g_strdup(uri);
    vm->has_slice = !g_str_has_prefix(uri, "qemu:///embed") && sd_booted() > 0;
    vm->machines = g_hash_table_new(g_str_hash, g_str_equal);
    vm->retries = g_ptr_array_new();
    vm->look_pause_s = 1;
    g_mutex_init(&vm->lock);
    return vm;
}

Vm *
vm_libvirt_open(const char *uri, GError **error)
{
    static gsize registered;
    LibvirtVm *vm = libvirt_vm_new(uri);
    g_autoptr(virConnect) connection = NULL;
    gboolean prepared = embed_prepare(uri, &vm->embed, error);

    if (g_once_init_enter(&registered)) {
        virEventRegisterDefaultImpl();
        virSetErrorFunc(/* data= */ NULL, ignore_error);
        g_once_init_leave(&registered, 1);
    }
    if (prepared)
        connection = vm_connect(vm, error);
    if (!connection) {
        libvirt_close(&vm->base);
        return NULL;
    }
    /* Exclusive threads are made here, and so see what embed_prepare() did to the mounts. */
    vm->workers = g_thread_pool_new(work, vm, WORKERS, /* exclusive= */ TRUE, /* error= */ NULL);
    return &vm->base;
}
