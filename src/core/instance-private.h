/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* instance-private: what instance.c, instance-start.c and instance-adopt.c share. */
#pragma once

#include "instance.h"

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
    guint holds; /* of InstanceHold */
    EndReason lost_why;
    guint lost_source;
    const InstanceEvents *events; /* NULL: nobody watches */
    gpointer events_data;
};

/* An instance without a machine yet. The template's memory counts from now on; `user` is reserved
 * for it already. `id` NULL: a new one. */
Instance *instance_new(Host *host, const char *id, const MachineUser *user, Template *template);
/* Events of its machine and its connection, whose data is the instance. */
extern const MachineEvents instance_machine_events;
void instance_on_link_lost(GuestLink *link, GuestLoss how, const char *message, gpointer data);
