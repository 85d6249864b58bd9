/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-calls: short functions for tests of snapshots. */
#pragma once

#include "client.h"
#include "fixture.h"

/* Takes a snapshot; returns its id. */
char *snapshot_take(GDBusConnection *bus, const char *sandbox);
/* Creates a sandbox from it; returns its object path. */
char *snapshot_create(GDBusConnection *bus, const char *id);
void snapshot_remove(GDBusConnection *bus, const char *id);
/* The entry of ListSnapshots(), an a{sv}; NULL: it is not listed. */
GVariant *snapshot_find(GDBusConnection *bus, const char *filter, const char *id);
/* The caller's use of "snapshots" and "snapshot-mib", e.g. "1, 2 MiB". */
char *snapshot_used(GDBusConnection *bus);
/* Waits until the folder of snapshots has this many entries. */
void snapshot_wait_for_folders(Fixture *fixture, guint count);
/* Path of a part: a new string. */
char *snapshot_part(const Fixture *fixture, const char *id, const char *part);
