/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot: what a sandbox was at one moment, on disk.
 *
 *   STATE/snapshots/ID/        snapshot.conf, state, disk.qcow2
 *   STATE/snapshots/ID/removed its owner has removed it, and something still needs its disk; it may
 *                              have no state
 *   STATE/snapshots/ID.new/    the same while it is being made; capture: see capture.h
 *
 * The state is the changed memory, on top of the RAM file of a template's version. The disk lies on
 * the disk of the parent, or of that version. A folder without ".new" is complete: all files were
 * synced and verified before it got its name.
 */
#pragma once

#include "policy.h"
#include "template-files.h"

#define SNAPSHOT_STATE "state"
#define SNAPSHOT_DISK "disk.qcow2"
/* A disk that lies on so many others starts slowly. */
#define SNAPSHOT_DEPTH_MAX 32u

typedef struct {
    const Store *store;
    char *id, *dir, *staging;
    char *name, *description; /* the owner's texts; "": none */
    guint32 owner;
    gint64 created_us; /* time of day */
    char *sandbox;     /* id of the one that it was taken of */
    char *parent;      /* id of the snapshot that this sandbox began from; NULL: from a template */
    guint depth;       /* of snapshots, with this one, on top of the template */
    char *template, *key, *image, *accelerator; /* as in TemplateFiles */
    char *user;                                 /* in the guest */
    char **languages;
    guint vcpus;
    guint64 memory_mib, disk_mib;
    NetPolicy *network;  /* the template's; NULL: it has none */
    guint64 size;        /* bytes that it takes on disk */
    gboolean is_removed; /* by its owner */
} Snapshot;

/* Has an id and paths; all other facts are empty. Reads and writes nothing. */
Snapshot *snapshot_new(const Store *store, const char *id);
void snapshot_free(Snapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_free)
/* The path of a part in `dir` or in `staging`. */
char *snapshot_path(const Snapshot *snapshot, const char *part);
char *snapshot_staging_path(const Snapshot *snapshot, const char *part);
/* The ids of all that are complete. */
char **snapshot_list(const Store *store);
/* Takes what snapshot.conf says. CLOCHE_ERROR_TEMPLATE_DAMAGED when that cannot be read, or a part
 * is missing or has another size. */
Snapshot *snapshot_load(const Store *store, const char *id, GError **error);

/* The functions below block: for worker threads. */

/* Makes the empty staging folder. Returns a descriptor of the new file for the capture, open for
 * writing only; -1 with an error. */
int snapshot_stage(const Snapshot *snapshot, GError **error);
/* Copies the disk of a machine whose processors are stopped; shares blocks where the file system
 * can. */
gboolean snapshot_copy_disk(const Snapshot *snapshot, const char *disk, GError **error);
/* Composes the state of the capture and the base, syncs and verifies all files, and gives the
 * folder its name. Sets `size`. */
gboolean snapshot_commit(Snapshot *snapshot, const TemplateFiles *base, GError **error);
/* Removes what snapshot_stage() made. */
void snapshot_discard(const Snapshot *snapshot);
/* Compares all parts with their digests. CLOCHE_ERROR_TEMPLATE_DAMAGED names the file. */
gboolean snapshot_verify(const Snapshot *snapshot, GError **error);
/* Records that its owner has removed it. */
gboolean snapshot_mark_removed(Snapshot *snapshot, GError **error);
/* Removes the state of one that is removed: no machine will be made of it. Sets `size`. */
gboolean snapshot_drop_state(Snapshot *snapshot, GError **error);
gboolean snapshot_remove(const Snapshot *snapshot, GError **error);
