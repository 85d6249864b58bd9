/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-world: all that a worker of cloche-egress talks to, in one process.
 *
 * Servers are sockets of the test: what they do depends on the port. The resolver has an address
 * for every name that does not begin with 'x'.
 */
#pragma once

#include <glib.h>

#include "worker.h"

#define FAKE_SERVERS_MAX 64u

/* Begins as zeros. */
typedef struct {
    Worker *worker;
    int control, resolver, port; /* the test's ends */
    int servers[FAKE_SERVERS_MAX];
    guint n_servers;
    gboolean goes_on;       /* the worker has not ended */
    gboolean is_discarding; /* what the worker sends to the guest */
    int reach_error;        /* of the host's routes, -errno; 0: every address is public */
} FakeWorld;

void fake_world_begin(FakeWorld *world);
void fake_world_end(FakeWorld *world);
/* Sends a message as the master does, and closes `fd` unless it is -1. */
void fake_world_send(const FakeWorld *world, guint type, const void *payload, gsize size, int fd);
/* A SET that allows everything. */
void fake_world_set(FakeWorld *world);
/* The guest greets. */
void fake_world_greet(FakeWorld *world);
/* Lets the worker do what it can. */
void fake_world_step(FakeWorld *world);
