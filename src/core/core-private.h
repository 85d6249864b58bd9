/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core-private: the state of the core, which its parts share. */
#pragma once

#include "acceleration.h"
#include "deadline.h"
#include "disk-watch.h"
#include "egress.h"
#include "pools.h"
#include "record-writer.h"
#include "snapshots.h"
#include "templates.h"

struct Core {
    CoreConfig config;
    Host host;
    Templates *templates;
    Pools *pools;
    Snapshots *snapshots;
    GHashTable *snapshotting; /* ids of sandboxes of which a snapshot is being taken */
    GHashTable
        *preparations; /* Template → Preparation, of templates that an image can make ready */
    Acceleration *acceleration;
    Quota *quota;

    DiskWatch *disk_watch;
    RecordWriter *record_writer;

    Deadlines *deadlines;
    const CoreEvents *events;
    gpointer events_data;
    void (*changed)(gpointer data); /* or NULL */
    gpointer changed_data;

    GHashTable *sandboxes; /* id → Sandbox, running ones; owned */
    GQueue ended;          /* of registry.c: the oldest first */
    gint64 last_born_us;
    Egress *egress;         /* NULL: sandboxes have no network */
    gboolean knows_workers; /* cloche-egress has listed its workers */
    GHashTable *networks;   /* id → Network, of running sandboxes and of new ones */
    GQueue operations;      /* of Operation, under way */
    GQueue settling;        /* of settle.c: calls that wait */
    GHashTable *creating;   /* "uid key" → Creation with an idempotency key that is under way */

    gboolean is_stopping;      /* from core_stop_async() on */
    GTask *stopping;           /* NULL: it does not stop, or has stopped */
    gboolean leaves_sandboxes; /* the service stops, and sandboxes go on */
};

/* Reports that core_summary() or core_is_checked() may have changed. */
static inline void
core_notify(Core *core)
{
    if (core->changed)
        core->changed(core->changed_data);
}
