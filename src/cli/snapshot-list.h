/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-list: the snapshots of the service, for several verbs. */
#pragma once

#include "cli.h"

/* Returns the entries of ListSnapshots(), an aa{sv}. */
GVariant *snapshot_list(Cli *cli, gboolean all_users, GError **error);
/* Returns the id of the snapshot that a word names: by its id, or, for the caller's own snapshots,
 * by its name or a prefix of its id. */
char *snapshot_resolve(Cli *cli, const char *word, GError **error);
