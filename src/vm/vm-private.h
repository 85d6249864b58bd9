/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-private: the parts of a Vm that uses libvirt. */
#pragma once

#include "vm-connection.h"
#include "vm-embed.h"
#include "vm-facts.h"
#include "vm-machine.h"
#include "vm-ops.h"
#include "vm-workers.h"

typedef struct {
    Vm base;
    Embed embed;
    Connection *connection;
    Workers *workers;
    KnownFacts known;
    gboolean has_slice; /* systemd runs, and libvirtd puts machines into its scopes */

    /* All below: main context only. */
    MachineTable machines;
    struct {
        GTask *task;    /* under way; borrowed; NULL: none */
        gboolean again; /* start another one when this one has finished */
        guint timer;    /* of the pause before the next attempt to connect; 0: none */
        guint pause_s;  /* doubled by each attempt that failed */
    } look;             /* vm-look.c */
    GPtrArray *retries; /* vm-destroy.c: machines that libvirt could not destroy yet */
    gboolean stops_trying;
} LibvirtVm;
