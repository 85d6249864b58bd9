/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spawner: the process that workers are forked from.
 *
 * It is forked before the master has received anything, and has loaded all that workers need. So
 * the memory of a worker is shared with the others as long as it does not change, and contains
 * nothing of another sandbox. It ends with the master, and its workers end with it.
 */
#pragma once

#include "egress-protocol.h"

typedef enum {
    SPAWNER_FORK, /* with a socket, the worker's connection to the master */
    SPAWNER_KILL,
} SpawnerOrder;

/* Master to spawner, one packet each. */
typedef struct {
    guint32 order;
    guint32 number; /* chosen by the master; never used twice */
    char id[EGRESS_ID_SIZE];
} SpawnerRequest;

/* Spawner to master: a worker has ended. */
typedef struct {
    guint32 number;
    gint32 status; /* of waitpid(); -1: it could not be forked */
} SpawnerEnd;

/* Starts the process, and returns a SOCK_SEQPACKET socket to it; -1 with an error. */
int spawner_start(GError **error);
