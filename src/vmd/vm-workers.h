/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-workers: a bounded pool of threads for calls that block.
 *
 * Every call of libvirt may block, so each runs in one of these threads, and its result returns to
 * the main context through a GTask. A worker uses only the data of its task, the Connection, and
 * members of the Vm that do not change while it runs.
 */
#pragma once

#include <gio/gio.h>

typedef struct Workers Workers;

/* Starts the threads. `starts_qemu`: a QEMU that a worker starts may become a child of this process
 * (libvirt's embedded driver), so the reaper is informed. */
Workers *workers_new(gboolean starts_qemu);
/* Blocks until all queued tasks have run. */
void workers_free(Workers *workers);

/* Calls `run` in a worker; `run` must return a result for `task`. Takes the reference to `task`. */
void workers_run(Workers *workers, GTask *task, void (*run)(GTask *task));
