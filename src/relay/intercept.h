/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * intercept: one connection of a guest whose requests are read.
 *
 * With TLS: the ClientHello is read and its name compared; then the guest gets a TLS connection
 * with the sandbox's authority, the server one that is verified, and the relay stands between them.
 * Without TLS: the relay alone. The caller moves bytes between the four queues and its sockets or
 * frames, sets `ended` of the queues that it fills, calls intercept_turn() after every change
 * (also after it has emptied a queue), and looks at the state. It has the time limits, and it has
 * the connection to the server, which it makes only when intercept_wants_upstream() says so.
 */
#pragma once

#include "http-relay.h"
#include "tls-side.h"

#define INTERCEPT_QUEUE_MAX (64u * 1024) /* bytes in each queue */

typedef struct {
    HttpRelayOptions relay;
    Authority *authority; /* with relay.tls; permits relay.host */
    TlsTrust *trust;      /* with relay.tls */
} InterceptOptions;

typedef enum {
    INTERCEPT_GREETING, /* the ClientHello or a TLS handshake is not complete */
    INTERCEPT_HEAD,     /* a request, or the rest of its head, is awaited */
    INTERCEPT_EXCHANGE, /* a request is with the server */
    INTERCEPT_TUNNEL,   /* after an upgrade */
    INTERCEPT_ENDED,    /* send the rest of guest_out, then an EOF; close the server's connection */
    INTERCEPT_BROKEN, /* send the rest of guest_out, then a reset; close the server's connection */
} InterceptState;

typedef struct Intercept Intercept;

/* Copies and references what it needs of the options. */
Intercept *intercept_new(const InterceptOptions *options);
/* Wipes what is in its queues. NULL is fine. */
void intercept_free(Intercept *intercept);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Intercept, intercept_free)

/* The caller fills these two … */
Bytes *intercept_guest_in(Intercept *intercept);
Bytes *intercept_upstream_in(Intercept *intercept);
/* … and empties these two. */
Bytes *intercept_guest_out(Intercept *intercept);
Bytes *intercept_upstream_out(Intercept *intercept);

/* Moves all that can move. After the end, it discards what the guest still sends. */
InterceptState intercept_turn(Intercept *intercept);
/* Between two requests: nothing of the next one has arrived. The limit of idle connections applies,
 * and otherwise, in the states GREETING and HEAD, a short one. */
gboolean intercept_is_idle(const Intercept *intercept);
/* Frees the memory of queues that are empty. intercept_turn() does so between requests; the caller
 * does so when nothing has moved for some time, as while a response is awaited. */
void intercept_trim(Intercept *intercept);
/* TRUE from the time that the connection to the server is needed. */
gboolean intercept_wants_upstream(const Intercept *intercept);
/* The connection could not be made, or ended by an error (an EOF is upstream_in's `ended`).
 * `reason`: a static text, which the guest gets if its response has not begun. */
void intercept_upstream_failed(Intercept *intercept, const char *reason);
/* Why it ended, a static text; NULL: as HTTP ends. */
const char *intercept_failure(const Intercept *intercept);
