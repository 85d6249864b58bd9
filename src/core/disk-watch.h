/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-watch: while sandboxes run, looks each second how much their disks take, and stops machines
 * as disk-share.h decides.
 *
 * A machine that stops loses nothing: it continues when there is space again, and its sandbox can
 * be killed meanwhile and ends at its deadline.
 */
#pragma once

#include "core-base.h"

typedef struct DiskWatch DiskWatch;

DiskWatch *disk_watch_new(Core *core);
/* The core has a sandbox: looks at the disks until no sandbox runs. */
void disk_watch_begin(DiskWatch *watch);
void disk_watch_free(DiskWatch *watch);
