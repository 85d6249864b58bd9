/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-ops: what something that runs machines implements.
 *
 * An implementation embeds Vm and Machine as the first members of its own structs and fills in the
 * table; vm.h's functions of the same names only pass on. Each call keeps the promises that vm.h
 * makes for it. Who holds a Machine calls through machine->vm, so `vm` outlives its machines.
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
