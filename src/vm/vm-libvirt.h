/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-libvirt: what the files that implement vm.h on libvirt share. */
#pragma once

#include <libvirt/libvirt.h>

#include "vm-embed.h"
#include "vm-ops.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

typedef struct {
    Vm base;
    char *uri;
    Embed embed;
    GThreadPool *workers;

    GMutex lock; /* guards the next two */
    virConnectPtr connection;
    gboolean lost; /* libvirtd went away: open again before the next use */

    GHashTable *machines; /* uuid -> LibvirtMachine; main context only */
    GTask *count;         /* of machines, after a reconnection; borrowed */
    VmFacts facts;        /* its strings are owned; accelerator is NULL before the probe */
    gboolean ram_read_only;
} LibvirtVm;

typedef struct {
    Machine base;
    char *name;
    char *uuid;
    char *socket; /* NULL: it has no channel */
    pid_t pid;
    MachineEnded ended;
    gpointer ended_data;
    gboolean given;     /* vm_start_finish() has returned it */
    gboolean end_known; /* `how` is set, by the first event that tells */
    MachineEnd how;
    gboolean over;  /* it has ended */
    guint announce; /* source that calls `ended`, 0: none */
} LibvirtMachine;

Vm *vm_libvirt_open(const char *uri, GError **error);

/* Runs `run` in one of the workers; it must make `task` return. Takes over `task`. */
void vm_run(LibvirtVm *vm, GTask *task, void (*run)(GTask *task));

LibvirtMachine *vm_machine_new(LibvirtVm *vm, const MachineSpec *spec, MachineEnded ended,
                               gpointer ended_data);
/* From now on no event finds the machine. */
void vm_machine_forget(LibvirtMachine *machine);
void vm_machine_free(LibvirtMachine *machine);

/* Removes what libvirt leaves of a machine: its socket (or NULL), and a log where no virtlogd looks
 * after it. */
void vm_remove_traces(const LibvirtVm *vm, const char *name, const char *socket);

/* --- vm-start.c --- */

void libvirt_start_async(Vm *vm, const MachineSpec *spec, MachineEnded ended, gpointer ended_data,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/* As vm_start_async(), with facts that may not be the Vm's, for machines that lack some parts, and
 * with more words (or NULL) for the kernel. */
void vm_start_with(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts, const char *words,
                   MachineEnded ended, gpointer ended_data, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer data);

/* --- vm-connection.c --- */

/* The connection, opened again if it was lost: a new reference. Blocks. */
virConnectPtr vm_connect(LibvirtVm *vm, GError **error);
void vm_disconnect(LibvirtVm *vm);

/* Tells of a machine's end, now or when it has been given away. Main context only. */
void vm_machine_over(LibvirtMachine *machine);

/* --- vm-probe.c --- */

void libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
const VmFacts *libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
