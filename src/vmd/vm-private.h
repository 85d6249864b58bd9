/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-private: the parts of a Vm that uses libvirt. */
#pragma once

#include "vm-connection.h"
#include "vm-embed.h"
#include "vm-facts.h"
#include "vm-machine.h"
#include "vm-ops.h"
#include "vm-workers.h"

typedef struct LibvirtVm LibvirtVm;
struct LibvirtVm {
    Vm base;
    Embed embed;
    Connection *connection;
    Workers *workers;
    KnownFacts known;
    char *boot_folder;        /* vm-libvirt.h */
    gboolean is_unprivileged; /* libvirt is inside this process, which is not root */
    gboolean has_slice;       /* systemd runs, and libvirtd puts machines into its scopes */

    /* All below: main context only. */
    MachineTable machines;
    struct {
        GTask *task;          /* under way; borrowed; NULL: none */
        gboolean again;       /* start another one when this one has finished */
        guint timer;          /* of the pause before the next look; 0: none */
        gboolean is_stopped;  /* vm_look() does nothing any more */
        gboolean must_report; /* `done` must be called when libvirt answers */
        void (*done)(LibvirtVm *vm, gboolean connected); /* a look is over */
    } look;                                              /* vm-look.c */
    GPtrArray *adoptions; /* vm-adopt.c: of MachineAdoption, under way */
    GPtrArray *sweeps;    /* vm-sweep.c: of MachineSweep, which wait for their next attempt */
    GPtrArray *retries;   /* vm-destroy.c: machines that libvirt could not destroy yet */
    gboolean stops_trying;
    guint stops; /* how often vm_stop_sweeps() was called */
};
