/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm: the public calls, which pass on to the implementation of a Vm.
 *
 * vm_open() is in vm-client.c. cloche-vm and tests open other implementations.
 */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-ops.h"

void
vm_close(Vm *vm)
{
    if (vm)
        vm->ops->close(vm);
}

void
vm_watch(Vm *vm, void (*answers)(gboolean does, gpointer data), gpointer data)
{
    vm->answers = answers;
    vm->answers_data = data;
}

void
vm_report_answers(const Vm *vm, gboolean does)
{
    if (vm->answers)
        vm->answers(does, vm->answers_data);
}

void
vm_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
               const MachineUser *user, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer data)
{
    vm->ops->probe_async(vm, kernel, initrd, directory, user, cancellable, callback, data);
}

const VmFacts *
vm_probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return vm->ops->probe_finish(vm, result, error);
}

guint
vm_probe_pause_ms(Vm *vm, guint failures)
{
    return vm->ops->probe_pause_ms(vm, failures);
}

void
vm_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    vm->ops->start_async(vm, spec, events, events_data, cancellable, callback, data);
}

Machine *
vm_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    return vm->ops->start_finish(vm, result, ret_fd, error);
}

void
vm_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
               GAsyncReadyCallback callback, gpointer data)
{
    vm->ops->adopt_async(vm, spec, events, events_data, callback, data);
}

Machine *
vm_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    return vm->ops->adopt_finish(vm, result, ret_fd, error);
}

void
machine_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    machine->vm->ops->save_async(machine, fd, callback, data);
}

gboolean
machine_save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return machine->vm->ops->save_finish(machine, result, error);
}

void
machine_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    machine->vm->ops->capture_async(machine, fd, callback, data);
}

gboolean
machine_capture_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return machine->vm->ops->capture_finish(machine, result, error);
}

void
machine_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    machine->vm->ops->release_async(machine, callback, data);
}

gboolean
machine_release_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return machine->vm->ops->release_finish(machine, result, error);
}

void
machine_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    machine->vm->ops->destroy_async(machine, callback, data);
}

gboolean
machine_destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return vm->ops->destroy_finish(vm, result, error);
}

void
machine_leave(Machine *machine)
{
    machine->vm->ops->leave(machine);
}

void
vm_stop_trying(Vm *vm)
{
    vm->ops->stop_trying(vm);
}

void
machine_hold(Machine *machine, gboolean holds)
{
    machine->vm->ops->hold(machine, holds);
}

void
machine_open_net_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    machine->vm->ops->open_net_async(machine, callback, data);
}

int
machine_open_net_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return vm->ops->open_net_finish(vm, result, error);
}

pid_t
machine_pid(const Machine *machine)
{
    return machine->vm->ops->pid(machine);
}

void
vm_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    vm->ops->sweep_async(vm, prefix, callback, data);
}

int
vm_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return vm->ops->sweep_finish(vm, result, error);
}

/* The virtual size in the header of a qcow2 file (docs/interop/qcow2.txt of QEMU), or NULL. */
static char *
read_size(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    guint64 big = 0;
    gboolean ok = fd >= 0 && pread(fd, &big, sizeof big, 24) == sizeof big;

    if (!ok)
        util_set_errno(error, errno, "cannot read '%s'", path);
    if (fd >= 0)
        close(fd);
    return ok ? g_strdup_printf("%" G_GUINT64_FORMAT, GUINT64_FROM_BE(big)) : NULL;
}

/* With -u, qemu-img opens no backing file: a QEMU may have written the header of that of a
 * snapshot, which could name any file, which this process would open. */
gboolean
vm_create_overlay(const char *path, const char *backing, const char *format, GError **error)
{
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *message = NULL, *size = NULL;
    gboolean is_image = g_str_equal(format, "qcow2");

    if (is_image && !(size = read_size(backing, error)))
        return FALSE;
    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
                               error, "qemu-img", "create", is_image ? "-qu" : "-q", "-f", "qcow2",
                               "-F", format, "-b", backing, path, size, /* end= */ NULL);
    if (!process)
        return FALSE;
    if (!g_subprocess_communicate_utf8(process, /* stdin= */ NULL, /* cancellable= */ NULL,
                                       /* stdout= */ NULL, &message, error))
        return FALSE;
    if (!g_subprocess_get_successful(process)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "cannot create the disk '%s': %s",
                    path, message ? g_strchomp(message) : "qemu-img was killed");
        return FALSE;
    }
    if (chmod(path, 0600) < 0)
        return util_set_errno(error, errno, "cannot set the mode of '%s'", path);
    return TRUE;
}
