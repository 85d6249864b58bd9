/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress-private: the connection and its requests. */
#pragma once

#include "egress.h"
#include "packet-socket.h"
#include "path-wait.h"
#include "service-peer.h"

struct Egress {
    ServicePeer *peer;
    const EgressEvents *events; /* NULL: not started */
    gpointer events_data;
    PacketSocket *socket; /* NULL: there is no connection */
    gboolean is_ready;    /* cloche-egress has said so */
    gboolean is_missing;  /* this host has none */
    gboolean is_closing;
    PathWait *wait; /* until it is installed; NULL: it is, or nothing has been tried */
    guint timer;    /* before the next attempt to connect; 0: none */
    guint pause_ms;
    guint32 serial;
    GHashTable *sent; /* serial → EgressCall, without an answer */
    GQueue waiting;   /* of EgressCall, for the connection */
};

/* A request: all of its messages have the same serial. */
typedef struct {
    Egress *egress;
    EgressType type;
    char id[EGRESS_ID_SIZE];
    guint32 serial;      /* 0: it waits for the connection */
    guint32 number;      /* of its last message */
    GBytes *payload;     /* of its last message; NULL: none */
    int port;            /* to be sent before it; owned; -1: none */
    GArray *secrets;     /* of int: the same */
    GHashTable *workers; /* of LIST, so far */
    GTask *task;         /* owned; NULL: nobody waits for the answer */
    guint timer;
} EgressCall;

/* --- egress.c --- */

/* Tries to connect now, if there was nothing to connect to. */
void egress_try_again(Egress *egress);
/* The connection cannot be used any more. */
void egress_drop(Egress *egress);

/* --- egress-calls.c --- */

/* The connection is ready: sends what waits. */
void egress_calls_flush(Egress *egress);
/* The connection was lost: requests that were sent fail. */
void egress_calls_lose(Egress *egress);
void egress_calls_fail_waiting(Egress *egress);
/* An answer with a serial. FALSE: it violates the protocol. */
gboolean egress_calls_answer(Egress *egress, const EgressHead *head, const uint8_t *payload);
/* Returns the text of a payload as one line of printable characters. NULL: it is malformed. */
char *egress_read_text(const EgressHead *head, const uint8_t *payload);
