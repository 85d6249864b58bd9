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
    GPtrArray *retries;   /* of destroys that libvirt could not do yet; main context only */
    gboolean stops_trying;
    VmFacts facts; /* its strings are owned; accelerator is NULL before the probe */
    gboolean ram_read_only;
    gboolean has_slice; /* systemd runs, and libvirtd puts machines into scopes of its */
} LibvirtVm;

typedef struct {
    Machine base;
    char *name;
    char *uuid;
    char *socket; /* NULL: it has no channel */
    char *disk;   /* NULL: it has none */
    pid_t pid;
    const MachineEvents *events;
    gpointer events_data;
    gboolean given;     /* it was returned to who started or adopted it */
    gboolean end_known; /* `how` is set, by the first event that tells */
    MachineEnd how;
    gboolean over;  /* it has ended */
    guint announce; /* source that calls `ended`, 0: none */
    gboolean is_stalled;
    guint stall_timer; /* 0: none */
} LibvirtMachine;

Vm *vm_libvirt_open(const char *uri, GError **error);

/* Runs `run` in one of the workers; it must make `task` return. Takes over `task`. */
void vm_run(LibvirtVm *vm, GTask *task, void (*run)(GTask *task));

LibvirtMachine *vm_machine_new(LibvirtVm *vm, const MachineSpec *spec, const MachineEvents *events,
                               gpointer events_data);
/* Whose uuid it is told; from now on events find the machine. */
void vm_machine_know(LibvirtMachine *machine, const char *uuid);
/* From now on no event finds the machine. */
void vm_machine_forget(LibvirtMachine *machine);
void vm_machine_free(LibvirtMachine *machine);

/* Removes what libvirt leaves of a machine: its socket (or NULL), and a log where no virtlogd looks
 * after it. */
void vm_remove_traces(const LibvirtVm *vm, const char *name, const char *socket);

/* Destroys it; one that is gone, or just going, is what was wanted. Blocks. */
gboolean vm_destroy_domain(virDomainPtr domain, GError **error);

/* --- vm-start.c --- */

void libvirt_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                         gpointer events_data, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/* libvirt has no call for the process id, but keeps a file. 0: it is not there. */
pid_t vm_read_pid(const LibvirtVm *vm, const char *name);
/* Connects to a machine's channel: the descriptor, or -1. */
int vm_connect_socket(const char *path, GError **error);

/* As vm_start_async(), with facts that may not be the Vm's, for machines that lack some parts, and
 * with more words (or NULL) for the kernel. */
void vm_start_with(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts, const char *words,
                   const MachineEvents *events, gpointer events_data, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer data);

/* --- vm-adopt.c --- */

void libvirt_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                         gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *libvirt_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
void libvirt_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int libvirt_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);

/* --- vm-stall.c: main context only --- */

/* Its disk took no more: tells, and looks for room each second. */
void vm_machine_stall(LibvirtMachine *machine);
/* It goes on, or it is over. */
void vm_machine_unstall(LibvirtMachine *machine);

/* --- vm-connection.c --- */

/* The connection, opened again if it was lost: a new reference. Blocks. */
virConnectPtr vm_connect(LibvirtVm *vm, GError **error);
void vm_disconnect(LibvirtVm *vm);

/* Tells of a machine's end, now or when it has been given away. Main context only. */
void vm_machine_over(LibvirtMachine *machine);

/* --- vm-probe.c --- */

void libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                         const MachineUser *user, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
const VmFacts *libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
