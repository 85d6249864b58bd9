/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-libvirt: opens and closes a Vm that uses libvirt. */
#include "vm-libvirt.h"

#include <libvirt/virterror.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "vm-adopt.h"
#include "vm-capture.h"
#include "vm-destroy.h"
#include "vm-events.h"
#include "vm-list.h"
#include "vm-look.h"
#include "vm-probe.h"
#include "vm-save.h"
#include "vm-start.h"
#include "vm-sweep.h"

static pid_t
libvirt_pid(const Machine *machine)
{
    const LibvirtMachine *self = (const LibvirtMachine *)machine;

    return self->has_ended ? 0 : self->pid;
}

static void
libvirt_hold(Machine *machine, gboolean holds)
{
    vm_machine_hold((LibvirtMachine *)machine, holds);
}

static void
libvirt_leave(Machine *machine)
{
    vm_capture_abandon((LibvirtMachine *)machine);
    vm_machine_free((LibvirtMachine *)machine);
}

static void
libvirt_close(Vm *vm)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    self->look.is_stopped = TRUE; /* closing the connection may report that it was lost */
    workers_free(self->workers);
    vm_look_stop(self);
    connection_free(self->connection);
    embed_clear(&self->embed);
    g_hash_table_unref(self->machines.by_uuid);
    g_ptr_array_unref(self->retries);
    g_free(self->boot_folder);
    g_ptr_array_unref(self->adoptions);
    g_ptr_array_unref(self->sweeps);
    facts_clear(&self->known.facts);
    g_free(self);
}

static void
libvirt_stop_trying(Vm *vm)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    self->stops_trying = TRUE;
    vm_stop_destroys(self);
    vm_stop_adoptions(self);
    vm_stop_sweeps(self);
}

static void
libvirt_keep_trying(Vm *vm)
{
    ((LibvirtVm *)vm)->stops_trying = FALSE;
}

static const VmOps libvirt_ops = {
    .close = libvirt_close,
    .probe_async = libvirt_probe_async,
    .probe_finish = libvirt_probe_finish,
    .recall_async = libvirt_recall_async,
    .list_async = libvirt_list_async,
    .list_finish = libvirt_list_finish,
    .start_async = libvirt_start_async,
    .start_finish = libvirt_start_finish,
    .adopt_async = libvirt_adopt_async,
    .adopt_finish = libvirt_adopt_finish,
    .save_async = libvirt_save_async,
    .save_finish = libvirt_save_finish,
    .capture_async = libvirt_capture_async,
    .capture_finish = libvirt_capture_finish,
    .release_async = libvirt_release_async,
    .release_finish = libvirt_release_finish,
    .destroy_async = libvirt_destroy_async,
    .destroy_finish = libvirt_destroy_finish,
    .hold = libvirt_hold,
    .leave = libvirt_leave,
    .stop_trying = libvirt_stop_trying,
    .keep_trying = libvirt_keep_trying,
    .pid = libvirt_pid,
    .sweep_async = libvirt_sweep_async,
    .sweep_finish = libvirt_sweep_finish,
};

static void
on_lifecycle(const char *uuid, int event, int detail, gpointer data)
{
    LibvirtVm *vm = data;

    vm_apply_event(&vm->machines, uuid, event, detail);
}

static void
on_connection_changed(gpointer data)
{
    vm_look(data);
}

static void
on_looked(LibvirtVm *vm, gboolean connected)
{
    if (connected) {
        vm_retry_destroys(vm);
        vm_retry_adoptions(vm);
        vm_retry_sweeps(vm);
    }
    vm_report_answers(&vm->base, connected);
}

static void
on_resume_failed(Vm *vm)
{
    vm_look((LibvirtVm *)vm);
}

/* libvirt also returns each error to its caller; without this function it would print it as well.
 */
static void
ignore_error(void *data, virErrorPtr error)
{
}

static void
initialize_libvirt(void)
{
    static gsize initialized;

    if (!g_once_init_enter(&initialized))
        return;
    virEventRegisterDefaultImpl();
    virSetErrorFunc(/* data= */ NULL, ignore_error);
    g_once_init_leave(&initialized, 1);
}

static LibvirtVm *
libvirt_vm_new(const char *uri, const char *boot_folder)
{
    LibvirtVm *vm = g_new0(LibvirtVm, 1);

    vm->base.ops = &libvirt_ops;
    vm->boot_folder = g_strdup(boot_folder);
    vm->is_unprivileged = g_str_has_prefix(uri, "qemu:///embed") && geteuid() != 0;
    vm->has_slice = !g_str_has_prefix(uri, "qemu:///embed") && sd_booted() > 0;
    vm->machines.vm = &vm->base;
    vm->machines.by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
    vm->machines.resume_failed = on_resume_failed;
    vm->look.done = on_looked;
    vm->retries = g_ptr_array_new();
    vm->adoptions = g_ptr_array_new();
    vm->sweeps = g_ptr_array_new();
    return vm;
}

/*
 * The workers are started last: they inherit what embed_prepare() did to the mounts. An embedded
 * driver must open at once. libvirtd may be stopped or hang, so a worker connects to it: the
 * service enforces deadlines meanwhile.
 */
static gboolean
open_vm(LibvirtVm *vm, const char *uri, GError **error)
{
    static const ConnectionEvents events = {on_lifecycle, on_connection_changed};
    g_autoptr(virConnect) libvirt = NULL;

    if (!embed_prepare(uri, &vm->embed, error))
        return FALSE;
    initialize_libvirt(); /* reads the environment that embed_prepare() has set */
    vm->connection = connection_new(uri, vm->embed.root != NULL, &events, vm);
    if (vm->embed.root) {
        libvirt = connection_get(vm->connection, error);
        if (!libvirt)
            return FALSE;
    }
    vm->workers = workers_new(/* starts_qemu= */ vm->embed.root != NULL);
    vm->machines.connection = vm->connection;
    vm->machines.workers = vm->workers;
    vm_look(vm);
    return TRUE;
}

Vm *
libvirt_vm_open(const char *uri, const char *boot_folder, GError **error)
{
    LibvirtVm *vm = libvirt_vm_new(uri, boot_folder);

    if (!open_vm(vm, uri, error)) {
        libvirt_close(&vm->base);
        return NULL;
    }
    return &vm->base;
}
