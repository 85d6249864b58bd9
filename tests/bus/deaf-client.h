/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * deaf-client: a connection to the bus that sends calls and reads nothing until it is told to.
 *
 * It does not answer org.freedesktop.DBus.Peer.Ping either, unless it is told to.
 */
#pragma once

#include "fixture.h"

typedef struct DeafClient DeafClient;

DeafClient *deaf_client_new(Fixture *fixture, uid_t uid);
void deaf_client_free(DeafClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeafClient, deaf_client_free)

/* Calls a method of the service; `method` has its interface before it. Arguments as in client.h. */
void deaf_client_call(DeafClient *client, const char *object, const char *method, const char *words,
                      ...);
/* Fills the socket, so that later messages wait in the bus. */
void deaf_client_fill(DeafClient *client);
/* Returns when the bus has passed on all calls, but reads no answer of the service. Only before
 * anything was sent to the client. */
void deaf_client_wait_for_bus(DeafClient *client);

/* It answers each Ping when it reads it. */
void deaf_client_answer_pings(DeafClient *client);

typedef struct {
    guint answers, errors; /* of the service */
    guint fds;
    gsize bytes;
} DeafCount;

/* Reads what the bus has, up to the answer to a call of the bus, and counts what is the service's.
 */
DeafCount deaf_client_drain(DeafClient *client);
