/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mock-vm: machines that are mocks: a start succeeds at once, and notes what it was asked for. */
#pragma once

#include "vm-ops.h"

typedef struct {
    Vm base;
    guint starts, lives, destroyed, swept;
    gboolean holds;
    char *last_disk, *last_socket, *last_net_socket;
    Machine *last;
    const MachineEvents *events;
    gpointer events_data;
    GTask *held_start; /* not finished yet */
    gboolean holds_starts;
    GTask *held_capture;
    gboolean holds_captures;
    guint captured; /* machines that stand still */
    GTask *held_sweep;
    gboolean holds_sweeps;
} MockVm;

extern const VmOps mock_vm_ops;
