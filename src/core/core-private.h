/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core-private: the state of the core, which its parts share. */
#pragma once

#include "core-base.h"
#include "deadline.h"
#include "host.h"

struct Core {
    CoreConfig config;
    Host host;
    GHashTable *pools; /* template name → Pool */
    Quota *quota;

    const VmFacts *facts;     /* of the chosen accelerator; NULL: none was chosen yet */
    char *acceleration_error; /* NULL: KVM works, is not expected to, or was not tried yet */
    MachineUser probe_user;
    guint probe_timer;                  /* of the next try; 0: none is scheduled */
    guint probe_failures, kvm_failures; /* all failed tries; those in which KVM failed */

    Deadlines *deadlines;
    const CoreEvents *events;
    gpointer events_data;
    void (*changed)(gpointer data); /* or NULL */
    gpointer changed_data;

    GHashTable *sandboxes; /* id → Sandbox, running ones; owned */
    GQueue ended;          /* of registry.c: the oldest first */
    gint64 last_born_us;
    GQueue operations;    /* of Operation, under way */
    GHashTable *creating; /* "uid key" → Creation with an idempotency key that is under way */

    GCancellable *cancellable; /* of everything, cancelled at the stop */
    GTask *stopping;
    gboolean leaves_sandboxes; /* the service stops, and sandboxes go on */
};

/* Reports that core_summary() or core_is_checked() may have changed. */
static inline void
core_notify(Core *core)
{
    if (core->changed)
        core->changed(core->changed_data);
}
