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

    GMutex lock; /* guards the next one, and is held while it is opened */
    virConnectPtr connection;
    guint opened; /* how often it was; guarded by the lock, too */
    gint lost;    /* atomic; libvirtd went away: open again before the next use */

    /* Main context only, all of these. */
    GHashTable *machines; /* uuid -> LibvirtMachine */
    GTask *look;          /* at what became of them; borrowed; NULL: none is under way */
    gboolean look_again;  /* behind the one that is */
    guint look_timer;     /* 0: none */
    guint look_pause_s;   /* doubled by each that failed */
    GPtrArray *retries;   /* of destroys that libvirt could not do yet */
    gboolean stops_trying;

    VmFacts facts; /* its strings are owned; accelerator is NULL before the probe */
    gint checked;  /* atomic; the opening at which the facts were found to hold, 0: none */
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
    gboolean over; /* it has ended */
    gboolean is_stalled, told_stalled;
    guint changes;     /* how often it was heard that it stands still or goes on */
    guint stall_timer; /* 0: none */
    GTask *resume;     /* under way; borrowed; NULL: none */
    guint news;        /* source that calls one of the events, 0: none */
} LibvirtMachine;

Vm *vm_libvirt_open(const char *uri, GError **error);

/* Runs `run` in one of the workers; it must make `task` return. Takes over `task`. */
void vm_run(LibvirtVm *vm, GTask *task, void (*run)(GTask *task));

LibvirtMachine *vm_machine_new(LibvirtVm *vm, const MachineSpec *spec, const MachineEvents *events,
                               gpointer events_data);
/* Whose uuid it is told; from now on events find the machine. */
void vm_machine_know(LibvirtMachine *machine, const char *uuid);
/* From now on it is its owner's, who hears what happens, and what did already. Main context only,
 * as all that follow. */
Machine *vm_machine_give(LibvirtMachine *machine, pid_t pid);
/* How it ends; the first who knows is believed. */
void vm_machine_note_end(LibvirtMachine *machine, MachineEnd how);
/* It has ended, and its owner is told as soon as the main loop is idle. */
void vm_machine_over(LibvirtMachine *machine);
/* No event finds it any more. */
void vm_machine_free(LibvirtMachine *machine);

/* Removes what libvirt leaves of a machine: its socket (or NULL), and a log where no virtlogd looks
 * after it. */
void vm_remove_traces(const LibvirtVm *vm, const char *name, const char *socket);

/* --- vm-destroy.c --- */

/* One that is gone, or just going, is what was wanted. Blocks. */
gboolean vm_destroy_domain(virDomainPtr domain, GError **error);
/* Ends the pauses between attempts. */
void vm_retry_destroys(LibvirtVm *vm);

void libvirt_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean libvirt_destroy_finish(Vm *vm, GAsyncResult *result, GError **error);
void libvirt_stop_trying(Vm *vm);

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
/* It goes on. */
void vm_machine_unstall(LibvirtMachine *machine);
/* Tells its owner, if that is news. */
void vm_machine_tell_stalled(LibvirtMachine *machine);
/* It is over, or not of interest any more: nothing is looked for. */
void vm_machine_stop_stall(LibvirtMachine *machine);

/* --- vm-look.c: main context only --- */

/* Finds out what became of the machines while nobody listened. Connects, and tries that until it
 * can. */
void vm_look(LibvirtVm *vm);
void vm_look_stop(LibvirtVm *vm);

/* --- vm-connection.c --- */

/* The connection, opened again if it was lost: a new reference. Blocks. */
virConnectPtr vm_connect(LibvirtVm *vm, GError **error);
void vm_disconnect(LibvirtVm *vm);

/* How often the connection was opened. */
guint vm_count_openings(LibvirtVm *vm);

/* --- vm-facts.c --- */

/*
 * Whether machines still get what the probe found: libvirt may have been upgraded, with QEMU or the
 * microcode, while this service runs. Asks once per connection, `connection` being the newest one.
 * FALSE with CLOCHE_ERROR_TEMPLATE_NOT_READY when something has changed. Blocks.
 */
gboolean vm_check_facts(LibvirtVm *vm, virConnectPtr connection, GError **error);

/* --- vm-probe.c --- */

/* The facts of today for the accelerator of `known`; their strings are the caller's, who calls
 * vm_facts_clear(). Blocks. */
gboolean vm_ask_facts(virConnectPtr connection, const VmFacts *known, VmFacts *ret, GError **error);
void vm_facts_clear(VmFacts *facts);

void libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                         const MachineUser *user, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
const VmFacts *libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
guint libvirt_probe_pause_ms(Vm *vm, guint failures);
