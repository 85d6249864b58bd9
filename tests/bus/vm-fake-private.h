/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-fake-private: what vm-fake.c (libvirt) and vm-fake-machine.c (its machines) share. */
#pragma once

#include "vm-fake.h"
#include "vm-ops.h"

typedef struct {
    Vm base;
    const FakeConfig *config;
    int inotify; /* on the control folder and the records */
    guint watch;
    GHashTable *machines; /* name → FakeMachine, of machines that were returned to the caller */
    GQueue waiting;       /* of GTask: adoptions, sweeps and ends that wait for libvirt; their tags
                             are their thread functions */
    GHashTable *adopting; /* names of machines that are being adopted */
    gboolean stops_trying;
    VmFacts facts; /* of the last probe */
    guint probes;
} FakeVm;

typedef struct {
    Machine base;
    char *name, *socket;
    char *ram; /* file to write to, as a guest that boots does; NULL: it does not boot */
    guint32 uid;
    int pidfd, fd; /* fd: the channel, until it is returned to the caller */
    guint watch;
    gboolean is_stalled, is_held;
    const MachineEvents *events;
    gpointer events_data;
} FakeMachine;

/* Returns the path of a file in the control folder, a new string. */
char *fake_control_path(const FakeVm *vm, const char *name);
/* Returns the number in a file of the control folder, and decrements it there; -1: there is no such
 * file. */
int fake_count_down(const FakeVm *vm, const char *name);
/* Returns FALSE with an error while libvirt does not answer. */
gboolean fake_check_there(const FakeVm *vm, GError **error);

/* Runs the task in a thread as soon as libvirt answers; fails it when vm_stop_trying() was called.
 */
void fake_run(FakeVm *vm, GTask *task, GTaskThreadFunc function);

/* Stops all reports about the machine. */
void fake_machine_forget(FakeMachine *machine);
void fake_machine_free(gpointer machine);
/* Freezes the machine's processes, or lets them run, and writes that to the machine's record. */
void fake_machine_stall(const FakeMachine *machine, gboolean is_stalled);
void fake_machine_freeze(const FakeVm *vm, const char *name, gboolean is_frozen);
/* The same for a capture, which is another record. */
void fake_machine_set_captured(const FakeVm *vm, const char *name, gboolean is_captured);
/* Reports a change of the state in the machine's record. */
void fake_machine_look_for_stall(FakeMachine *machine);
/* Ends the process of a machine, and removes its files and cgroup. Blocks. */
void fake_machine_end(const FakeVm *vm, const char *name);

/* Functions of VmOps. */
void fake_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                      gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data);
void fake_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                      gpointer events_data, GAsyncReadyCallback callback, gpointer data);
void fake_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
void fake_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean fake_capture_finish(Machine *machine, GAsyncResult *result, GError **error);
void fake_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
Machine *fake_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
Machine *fake_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
