/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tls-side: one end of a TLS connection, between queues.
 *
 * TLS 1.2 or later, HTTP/1.1 as the only protocol (ALPN), no tickets, no renegotiation. There is no
 * time limit for the handshake here: the caller has one.
 */
#pragma once

#include "authority.h"
#include "bytes.h"

/* The certificates that servers are verified against. */
typedef struct TlsTrust TlsTrust;
/* `pem`: certificates of authorities; NULL: those of the system. */
TlsTrust *tls_trust_new(const char *pem, GError **error);
TlsTrust *tls_trust_ref(TlsTrust *trust);
/* NULL is fine. */
void tls_trust_unref(TlsTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsTrust, tls_trust_unref)

typedef enum {
    TLS_SIDE_HANDSHAKE,
    TLS_SIDE_OPEN,   /* the peer is verified, if it is the server */
    TLS_SIDE_CLOSED, /* this side has sent its last byte */
    TLS_SIDE_FAILED, /* nothing is sent or received any more */
} TlsSideState;

/* The four queues belong to the caller and outlive the side. `in`, `out`: records. `received`,
 * `to_send`: plain text. */
typedef struct {
    Bytes *in, *out, *received, *to_send;
} TlsSideQueues;

typedef struct TlsSide TlsSide;

TlsSide *tls_side_new_server(AuthorityLeaf *leaf, TlsSideQueues queues, GError **error);
/* The certificate of the server must be valid for exactly `host`. */
TlsSide *tls_side_new_client(TlsTrust *trust, const char *host, TlsSideQueues queues,
                             GError **error);
/* NULL is fine. */
void tls_side_free(TlsSide *side);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsSide, tls_side_free)

/*
 * Moves what can move, and returns whether something did. When the peer closes properly, `received`
 * ends. When `to_send` is at its end, the side closes: `out` ends.
 */
gboolean tls_side_turn(TlsSide *side);
TlsSideState tls_side_state(const TlsSide *side);
/* Why it failed: a static text, or NULL. */
const char *tls_side_failure(const TlsSide *side);
