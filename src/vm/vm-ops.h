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

typedef struct {
    void (*close)(Vm *vm);

    void (*probe_async)(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                        const MachineUser *user, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);
    const VmFacts *(*probe_finish)(Vm *vm, GAsyncResult *result, GError **error);
    guint (*probe_pause_ms)(Vm *vm, guint failures);

    void (*start_async)(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);
    Machine *(*start_finish)(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

    void (*adopt_async)(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GAsyncReadyCallback callback, gpointer data);
    Machine *(*adopt_finish)(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

    void (*save_async)(Machine *machine, const char *path, GAsyncReadyCallback callback,
                       gpointer data);
    gboolean (*save_finish)(Machine *machine, GAsyncResult *result, GError **error);

    void (*destroy_async)(Machine *machine, GAsyncReadyCallback callback, gpointer data);
    gboolean (*destroy_finish)(Vm *vm, GAsyncResult *result, GError **error);

    void (*leave)(Machine *machine);
    void (*stop_trying)(Vm *vm);

    pid_t (*pid)(const Machine *machine);
    void (*sweep_async)(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
    int (*sweep_finish)(Vm *vm, GAsyncResult *result, GError **error);
} VmOps;

struct Vm {
    const VmOps *ops;
};

struct Machine {
    Vm *vm;
};
