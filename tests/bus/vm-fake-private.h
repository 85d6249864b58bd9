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
    GHashTable *machines; /* name → FakeMachine, those that were given away */
    GQueue waiting;       /* of GTask: ends, for libvirt to come back */
    gboolean stops_trying;
    VmFacts facts; /* of the last probe */
    guint probes;
} FakeVm;

typedef struct {
    Machine base;
    char *name, *socket;
    char *ram; /* written to as by a guest that boots; NULL: it does not boot */
    guint32 uid;
    int pidfd, fd; /* fd: the channel, until it is given away */
    guint watch;
    gboolean is_stalled;
    const MachineEvents *events;
    gpointer events_data;
} FakeMachine;

/* A file of the control folder: a new string. */
char *fake_control_path(const FakeVm *vm, const char *name);
/* The number in a file of the control folder, which is counted down; -1: there is no such file. */
int fake_count_down(const FakeVm *vm, const char *name);
/* FALSE with an error while libvirt does not answer. */
gboolean fake_check_there(const FakeVm *vm, GError **error);

/* From now on nothing is heard of it. */
void fake_machine_forget(FakeMachine *machine);
void fake_machine_free(gpointer machine);
/* Tells when what its record says has changed. */
void fake_machine_look_for_stall(FakeMachine *machine);
/* Ends the process of a machine, and removes what is left, whatever it is. Blocks. */
void fake_machine_end(const FakeVm *vm, const char *name);

/* Of VmOps. */
void fake_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                      gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data);
void fake_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                      gpointer events_data, GAsyncReadyCallback callback, gpointer data);
/* Of both. */
Machine *fake_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
