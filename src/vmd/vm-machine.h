/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-machine: one machine of libvirt, and what its owner is informed of: its end, and whether it
 * stands still. All of it belongs to the main context.
 *
 * A machine holds no handle of libvirt: the handle dies with the connection, and the connection
 * with libvirtd. So each call of libvirt looks the machine up by its uuid.
 */
#pragma once

#include "vm-connection.h"
#include "vm-ops.h"
#include "vm-workers.h"

/* The machines of one Vm, and what they need of it. */
typedef struct {
    Vm *vm;
    Workers *workers;
    Connection *connection;
    GHashTable *by_uuid; /* uuid -> LibvirtMachine */
    /* A stalled machine could not be resumed: it may run already. */
    void (*resume_failed)(Vm *vm);
} MachineTable;

typedef struct LibvirtMachine LibvirtMachine;
struct LibvirtMachine {
    Machine base;
    MachineTable *table;
    char *name;
    char *uuid;   /* NULL before vm_machine_set_uuid() */
    char *socket; /* NULL: it has no channel */
    char *disk;   /* NULL: it has none */
    pid_t pid;
    const MachineEvents *events;
    gpointer events_data;
    gboolean has_owner; /* it was returned to whoever started or adopted it */
    gboolean end_known; /* `how` is set */
    MachineEnd how;
    gboolean has_ended;
    gboolean is_stalled;       /* it does not run: the disk is full, or it is held */
    gboolean is_held;          /* the owner does not want it to run */
    gboolean was_suspended;    /* by an order of this program, since it ran last */
    gboolean reported_stalled; /* what the owner knows of is_stalled */
    guint changes;             /* how many events said that it was suspended or resumed */
    guint stall_timer;         /* 0: it is as its owner wants it */
    enum { CAPTURE_NONE, CAPTURE_BEGINS, CAPTURE_STANDS, CAPTURE_ENDS } capture; /* vm-capture.c */
    gint64 stopped_us;               /* when it was stopped for the capture */
    guint capture_timer;             /* after which it runs again; 0: none */
    LibvirtMachine **capture_holder; /* set to NULL when the machine is freed; NULL: none */
    GTask *order;                    /* to suspend or resume it, under way; borrowed; NULL: none */
    guint report;                    /* idle source that calls one of the events; 0: none */
};

LibvirtMachine *vm_machine_new(MachineTable *table, const MachineSpec *spec,
                               const MachineEvents *events, gpointer events_data);
/* Enters the machine in the table, so that events find it. */
void vm_machine_set_uuid(LibvirtMachine *machine, const char *uuid);
/* Passes the machine to its owner, who is informed of its events from now on, and of those that
 * happened already. */
Machine *vm_machine_give(LibvirtMachine *machine, pid_t pid);

/* Records how the machine ends. Only the first call counts. */
void vm_machine_note_end(LibvirtMachine *machine, MachineEnd how);
/* The machine has ended. Its owner is informed as soon as the main loop is idle. */
void vm_machine_end(LibvirtMachine *machine);

/* Whether the machine stands still because the host's disk is full or it is held. While it does and
 * is not held, it looks for room each second and resumes the machine when there is some. While it
 * is held and does not stand still, it is suspended again each second. */
void vm_machine_set_stalled(LibvirtMachine *machine, gboolean is_stalled);
/* Whether the machine has stopped because of vm_machine_hold(), as far as this program knows. */
gboolean vm_machine_stands_for_owner(const LibvirtMachine *machine);
/* See machine_hold(). */
void vm_machine_hold(LibvirtMachine *machine, gboolean holds);
/* After an event: the machine stopped or runs against its owner's will. */
void vm_machine_follow_owner(LibvirtMachine *machine);

/* Removes the machine from the table. The QEMU process is left alone. */
void vm_machine_free(LibvirtMachine *machine);
