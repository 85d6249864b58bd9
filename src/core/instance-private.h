/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* instance-private: what instance.c, instance-start.c and instance-adopt.c share. */
#pragma once

#include "instance.h"

/* A greeting whose answer arrives when the machine continues. The instance may end before. */
typedef struct {
    Instance *instance; /* NULL: it has ended */
} LateGreeting;

struct Instance {
    Host *host;
    char *id, *name;
    char *disk_dir, *run_dir; /* removed with the instance */
    Template *template;
    MachineUser user;
    Machine *machine;
    GuestLink *link;
    GPtrArray *contexts; /* of Context */
    gboolean is_lost, is_stalled;
    guint holds;                 /* of InstanceHold */
    LateGreeting *late_greeting; /* NULL: the agent has greeted, or will never */
    EndReason lost_why;
    guint lost_source;
    const InstanceEvents *events; /* NULL: nobody watches */
    gpointer events_data;
};

/* An instance without a machine yet. The template's memory counts from now on; `user` is reserved
 * for it already. `id` NULL: a new one. */
Instance *instance_new(Host *host, const char *id, const MachineUser *user, Template *template);
/* The machine is lost for a reason that is known. */
void instance_lose(Instance *instance, EndReason why);
/* Lets the user of a machine read the disks that are below its own, and revokes that. In the main
 * thread, because machines share the access lists. */
gboolean instance_open_snapshots(const Template *template, uid_t uid, GError **error);
void instance_close_snapshots(const Template *template, uid_t uid);
/* Events of its machine and its connection, whose data is the instance. */
extern const MachineEvents instance_machine_events;
void instance_on_link_lost(GuestLink *link, GuestLoss how, const char *message, gpointer data);
