/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshots: the snapshots of sandboxes, each a template with an owner.
 *
 * A snapshot that its owner has removed is no longer found. Its files go when nothing needs them
 * any more: machines that run from it, and snapshots on top of it, hold references. Its base is
 * loaded and its parts are verified when a machine of it is first wanted.
 */
#pragma once

#include <gio/gio.h>

#include "core-base.h"
#include "template.h"

typedef struct Snapshots Snapshots;

Snapshots *snapshots_new(Core *core);
/* Finds the stored snapshots, and removes unfinished and damaged ones. Before core_adopt(). */
void snapshots_load(Snapshots *snapshots);
/* The records were read: removes the files of removed snapshots that no machine needs. */
void snapshots_settle(Snapshots *snapshots);
void snapshots_free(Snapshots *snapshots);

/* Makes the template of a snapshot whose files are complete. Takes both; returns a reference. One
 * that is not removed is found from now on. */
Template *snapshots_add(Snapshots *snapshots, Snapshot *snapshot, Template *parent);
/* The snapshot with this id that exists, removed or not; NULL: there is none. */
Template *snapshots_lookup(const Snapshots *snapshots, const char *id);
/* Machines can be made of one that is hidden, until its pool is closed. */
void snapshots_open_pool(Snapshots *snapshots, Template *snapshot);
void snapshots_close_pool(Snapshots *snapshots, Template *snapshot);
/* No machine will be made of one that is removed: removes its state, and what its owner pays for
 * it. */
void snapshots_drop_state_async(Snapshots *snapshots, Template *snapshot,
                                GAsyncReadyCallback callback, gpointer data);
void snapshots_drop_state_finish(GAsyncResult *result);
/* A machine of it is wanted: makes it ready unless it is. Its pool reports success and failure. */
void snapshots_want(Snapshots *snapshots, Template *snapshot);
/* What snapshots wait for may have happened: an accelerator was chosen, a template has changed. */
void snapshots_retry(Snapshots *snapshots);
/* The last reference to it is gone. */
void snapshots_on_released(Snapshots *snapshots, Template *snapshot);

/* The snapshot that the viewer may see and use. CLOCHE_ERROR_NO_SUCH_SNAPSHOT, also for those of
 * others. */
Template *core_find_snapshot(Core *core, const Viewer *viewer, const char *id, GError **error);
/* Whether `uid` owns the snapshot; FALSE when there is none. */
gboolean core_owns_snapshot(const Core *core, guint32 uid, const char *id);
/* All that were not removed, the oldest first; not owned. */
GPtrArray *core_list_snapshots(const Core *core);
/* How many sandboxes run from it, and how many snapshots that were not removed lie on top of it. */
guint core_count_sandboxes_of(const Core *core, const Template *snapshot);
guint core_count_snapshots_on(const Core *core, const Template *snapshot);
/* Finishes when the removal is on disk. */
void core_remove_snapshot_async(Core *core, Template *snapshot, GAsyncReadyCallback callback,
                                gpointer data);
gboolean core_remove_snapshot_finish(GAsyncResult *result, GError **error);

/* What its owner is charged with. */
QuotaAmounts snapshot_amounts(const Snapshot *snapshot);
