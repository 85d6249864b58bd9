/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-make: takes snapshots of running sandboxes. */
#pragma once

#include "sandbox.h"

typedef struct {
    const char *name, *description; /* "": none */
    gboolean
        is_hidden; /* it is counted as removed from the beginning, for the caller of finish() */
} SnapshotRequest;

/*
 * Takes a snapshot of memory and disk at one moment. The sandbox stands still for that moment and
 * goes on, whether it succeeds or not. Finishes when all files are on disk.
 *
 * CLOCHE_ERROR_BUSY: another snapshot of the sandbox is being taken, its processes cannot be
 * stopped now, or it is paused because of a full disk; CLOCHE_ERROR_QUOTA_EXCEEDED;
 * CLOCHE_ERROR_FAILED: the host's disk has no room; CLOCHE_ERROR_UNSUPPORTED: an earlier
 * version of the service has started the machine, or it may not read memory.
 */
void core_snapshot_async(Core *core, Sandbox *sandbox, const SnapshotRequest *request,
                         GAsyncReadyCallback callback, gpointer data);
/* A reference. */
Template *core_snapshot_finish(GAsyncResult *result, GError **error);
