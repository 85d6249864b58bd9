/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker: the network of one sandbox.
 *
 * It reads the frames of the guest, decides, resolves, connects, and moves bytes. It runs in a
 * process of its own, which holds nothing of other sandboxes. It uses one thread and no main loop
 * of GLib, because it is forked from a process that has one.
 */
#pragma once

#include "address.h"
#include "tls-side.h"

/* How the worker reaches the network. Tests replace it. */
typedef struct {
    /* Begins to connect. `buffer`: bytes that the kernel may keep for the socket in each direction;
     * 0: as many as it likes. Returns a non-blocking socket, or -errno. */
    int (*connect)(const NetAddress *address, guint16 port, guint buffer, gpointer data);
    /* Returns 0 and what the host's routes say, or -errno. `now`: microseconds. */
    int (*reach)(const NetAddress *address, gint64 now, NetReach *ret, gpointer data);
    gpointer data;
} WorkerWorld;

typedef struct Worker Worker;

/* Takes `control`, a SOCK_SEQPACKET socket to the master, and `journal`, or -1. `trust`: for
 * servers whose requests are inspected; NULL: none can be. */
Worker *worker_new(const char *id, int control, int journal, const WorkerWorld *world,
                   TlsTrust *trust);
void worker_free(Worker *worker);

/* Waits for events, at most `timeout_ms` (-1: for ever), and handles them. FALSE: the worker has
 * ended; if it did so by itself, it has told the master why. */
gboolean worker_step(Worker *worker, int timeout_ms);
