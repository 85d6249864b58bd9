/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-relay: strict HTTP/1.1 between a client and a server, both of which may be hostile.
 *
 * Every request and every response is parsed, checked, and written anew; no byte of a head passes
 * unread. One request is with the server at a time, so that a response can only belong to this
 * request. A refused request gets a response of one line that names cloche and the reason, and its
 * connection ends; the server gets nothing of it, unless the fault is in its body.
 */
#pragma once

#include "bytes.h"
#include "http-filter.h"
#include "http-secret.h"

#define HTTP_RELAY_QUEUE_MIN (64u * 1024) /* the least `max` of the four queues */
#define HTTP_PATH_LOGGED_MAX 1024u        /* bytes */

/* What is known of a request when it has ended, for a line of the log. */
typedef struct {
    const char *method;           /* "" when the request could not be read that far */
    const char *path;             /* without the query, at most HTTP_PATH_LOGGED_MAX bytes */
    guint status;                 /* that the client got; 0: none */
    guint64 bytes_up, bytes_down; /* of the bodies, without their framing */
    gboolean has_secret;          /* the request contained a secret */
    gboolean unsearched; /* the response was compressed, so that it was not searched for secrets */
    const char *failure; /* why the request was refused or its connection ended, or NULL */
} HttpFacts;

typedef struct {
    const char *host;       /* lower case, without a trailing dot; or an address */
    guint16 port;           /* of the server */
    gboolean tls;           /* the queues are plain text of TLS */
    gboolean allow_upgrade; /* to WebSocket */
    gboolean via_proxy;     /* the server is an HTTP proxy: requests get the absolute form */
    HttpFilter *filter;     /* of requests that may pass; NULL: all */
    GPtrArray *secrets;     /* of Secret, at most SECRETS_MAX; only with `tls`; NULL: none */
    /* A request has ended, or was refused; or NULL. Must not use the relay. */
    void (*on_request)(const HttpFacts *facts, gpointer data);
    gpointer data;
} HttpRelayOptions;

/* They belong to the caller and outlive the relay. */
typedef struct {
    Bytes *client_in, *client_out, *server_in, *server_out;
} HttpRelayQueues;

typedef enum {
    HTTP_RELAY_HEAD,     /* waits for a request, or the rest of its head */
    HTTP_RELAY_EXCHANGE, /* a request is with the server */
    HTTP_RELAY_TUNNEL,   /* after an upgrade: bytes */
    HTTP_RELAY_ENDED,    /* nothing is sent any more; further turns discard what the client sends */
} HttpRelayState;

typedef struct HttpRelay HttpRelay;

/* Copies and references what it needs of the options. */
HttpRelay *http_relay_new(const HttpRelayOptions *options, HttpRelayQueues queues);
/* Reports a request that has not ended. NULL is fine. */
void http_relay_free(HttpRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpRelay, http_relay_free)

/* Moves what can move, and returns whether something did. */
gboolean http_relay_turn(HttpRelay *relay);
HttpRelayState http_relay_state(const HttpRelay *relay);
/* Between two requests: nothing of the next one has arrived. */
gboolean http_relay_is_idle(const HttpRelay *relay);
/* A request has been written for the server since the relay began. */
gboolean http_relay_wants_server(const HttpRelay *relay);
/* The connection to the server could not be made, or broke. The client gets `reason`, a static
 * text, if its response has not begun. What is in `server_in` still counts. */
void http_relay_server_failed(HttpRelay *relay, const char *reason);
/* Why the relay ended, a static text; NULL: as HTTP ends. */
const char *http_relay_failure(const HttpRelay *relay);
/* The client must not take what it got for complete: its connection has to end by a reset, and
 * `client_out` does not end. */
gboolean http_relay_is_broken(const HttpRelay *relay);
