/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls-peer: a TLS client or server of its own, which talks to what is tested over queues. */
#pragma once

#include <gnutls/gnutls.h>

#include "bytes.h"

#define TLS_PEER_QUEUE_MAX (128u * 1024)

typedef struct {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    Bytes in, out;    /* records */
    GString *got;     /* plain text */
    GString *to_send; /* plain text that is sent when the handshake is over */
    gboolean is_open; /* the handshake is over */
    gboolean has_end; /* the other side has closed properly */
    int error;        /* of GnuTLS, that has ended it; 0: none */
    int alert;        /* that was received; -1: none */
} TlsPeer;

/* `name`: SNI, or NULL. `trust`: PEM, against which the server is verified. `protocols`: of ALPN,
 * with commas; NULL: none. */
TlsPeer *tls_peer_new_client(const char *name, const char *trust, const char *priority,
                             const char *protocols);
/* Takes the credentials. */
TlsPeer *tls_peer_new_server(gnutls_certificate_credentials_t credentials, const char *priority,
                             const char *protocols);
void tls_peer_free(TlsPeer *peer);

/* Returns whether something moved. */
gboolean tls_peer_turn(TlsPeer *peer);
/* Sends close_notify. */
void tls_peer_close(TlsPeer *peer);
