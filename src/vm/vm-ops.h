/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-ops: the interface that an implementation of Vm and Machine fills in.
 *
 * An implementation embeds Vm and Machine as the first members of its own structs and fills in the
 * table. The functions of the same names in vm.h call these, and vm.h documents them. Calls for a
 * Machine go through machine->vm, so a Vm must outlive its machines.
 */
#pragma once

#include "vm.h"

/* A machine that exists. */
typedef struct {
    char *name;
    uid_t uid; /* 0: libvirt has chosen it */
} VmListed;

typedef struct {
    void (*close)(Vm *vm);

    void (*probe_async)(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                        const MachineUser *user, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);
    const VmFacts *(*probe_finish)(Vm *vm, GAsyncResult *result, GError **error);
    guint (*probe_pause_ms)(Vm *vm, guint failures);
    /* For cloche-vm: finds the facts of an accelerator that an earlier probe has chosen, without a
     * trial. Finishes like a probe.
     */
    void (*recall_async)(Vm *vm, gboolean is_emulated, GAsyncReadyCallback callback, gpointer data);
    /* For cloche-vm: lists the machines whose name begins with `prefix`: of VmListed. */
    void (*list_async)(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
    GPtrArray *(*list_finish)(Vm *vm, GAsyncResult *result, GError **error);

    void (*start_async)(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);
    Machine *(*start_finish)(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

    void (*adopt_async)(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GAsyncReadyCallback callback, gpointer data);
    Machine *(*adopt_finish)(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

    void (*save_async)(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
    gboolean (*save_finish)(Machine *machine, GAsyncResult *result, GError **error);

    void (*capture_async)(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
    gboolean (*capture_finish)(Machine *machine, GAsyncResult *result, GError **error);

    void (*release_async)(Machine *machine, GAsyncReadyCallback callback, gpointer data);
    gboolean (*release_finish)(Machine *machine, GAsyncResult *result, GError **error);

    void (*destroy_async)(Machine *machine, GAsyncReadyCallback callback, gpointer data);
    gboolean (*destroy_finish)(Vm *vm, GAsyncResult *result, GError **error);

    /* NULL in cloche-vm, which connects to the socket itself. */
    void (*open_net_async)(Machine *machine, GAsyncReadyCallback callback, gpointer data);
    int (*open_net_finish)(Vm *vm, GAsyncResult *result, GError **error);

    void (*hold)(Machine *machine, gboolean holds);
    void (*leave)(Machine *machine);
    void (*stop_trying)(Vm *vm);
    void (*keep_trying)(Vm *vm); /* takes stop_trying() back; may be NULL */

    pid_t (*pid)(const Machine *machine);
    void (*sweep_async)(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
    int (*sweep_finish)(Vm *vm, GAsyncResult *result, GError **error);
} VmOps;

struct Vm {
    const VmOps *ops;
    void (*answers)(gboolean does, gpointer data); /* of vm_watch(), or NULL */
    gpointer answers_data;
};

/* Calls the watcher of vm_watch(). */
void vm_report_answers(const Vm *vm, gboolean does);

struct Machine {
    Vm *vm;
};
