/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intercept-fixture: an intercepted connection with TLS between a client and a server of GnuTLS. */
#pragma once

#include "intercept.h"
#include "test-pki.h"
#include "tls-peer.h"

#define NAME "api.example.com"
#define GET "GET /a HTTP/1.1\r\nHost: " NAME "\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define VALUE "s3cr3t-s3cr3t-value"

typedef struct {
    gsize piece;
    Pki *pki;
    Authority *authority;
    TlsTrust *trust;
    GPtrArray *secrets;
    Intercept *intercept;
    TlsPeer *guest, *server; /* NULL: none, or not connected yet */
    gnutls_certificate_credentials_t server_credentials;
    const char *server_priority, *server_protocols;
    InterceptState state;
    GString *log;
} InterceptFixture;

/* `data`: the size of the pieces in which bytes move. */
void intercept_set_up(InterceptFixture *f, gconstpointer data);
void intercept_tear_down(InterceptFixture *f, gconstpointer data);

/* Makes a guest, and what the server will show when it is connected to. */
void begin_intercept(InterceptFixture *f, const char *guest_priority, PkiFlaw flaw);
/* Moves bytes until none moves. */
void run_intercept(InterceptFixture *f);
/* Moves bytes, at most `piece`, and the end; returns whether something moved. */
gboolean shovel(Bytes *from, Bytes *to, gsize piece);
void peer_says(InterceptFixture *f, TlsPeer *peer, const char *text);
/* All that it has got since the last time. */
void assert_peer_got(TlsPeer *peer, const char *text);

/* Adds a test that runs with all bytes at once and with one at a time. */
void add_intercept_test(const char *name, void (*test)(InterceptFixture *f, gconstpointer data));
