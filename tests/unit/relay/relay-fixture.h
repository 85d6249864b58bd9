/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * relay-fixture: a relay between a client and a server that say what the test wants.
 *
 * Everything goes through the queues in pieces of a given size, also what the relay writes, and the
 * relay gets a turn after each piece.
 */
#pragma once

#include "http-relay.h"

typedef struct {
    gsize piece;
    Bytes client_in, client_out, server_in, server_out;
    HttpRelayOptions options;
    HttpRelay *relay; /* made when the first bytes are sent */
    GString *client_got, *server_got;
    GString *log; /* "METHOD PATH STATUS UP DOWN[ secret][ unsearched][: FAILURE]\n" each */
} RelayFixture;

/* `data`: the size of the pieces. The host is api.example.com, with TLS, at port 443. */
void relay_set_up(RelayFixture *f, gconstpointer data);
void relay_tear_down(RelayFixture *f, gconstpointer data);

void relay_add_secret(RelayFixture *f, const char *name, const char *header, const char *format,
                      const char *value, const char *const *methods, const char *const *paths);

/* Text, or bytes, of a side; and its end. */
void client_says(RelayFixture *f, const char *text);
void client_says_bytes(RelayFixture *f, gconstpointer data, gsize size);
void server_says(RelayFixture *f, const char *text);
void server_says_bytes(RelayFixture *f, gconstpointer data, gsize size);
void client_ends(RelayFixture *f);
void server_ends(RelayFixture *f);
void server_fails(RelayFixture *f, const char *reason);

/* All that a side has got since the last time. */
#define assert_client_got(f, text)                                                                 \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_assert_cmpstr((f)->client_got->str, ==, text);                                           \
        g_string_truncate((f)->client_got, 0);                                                     \
    }                                                                                              \
    G_STMT_END
#define assert_server_got(f, text)                                                                 \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_assert_cmpstr((f)->server_got->str, ==, text);                                           \
        g_string_truncate((f)->server_got, 0);                                                     \
    }                                                                                              \
    G_STMT_END
#define assert_log(f, text) g_assert_cmpstr((f)->log->str, ==, text)

/* The client got this refusal, the server nothing, and the relay has ended. */
void assert_refused(RelayFixture *f, guint status, const char *reason);
/* The relay has ended; `failure` may be NULL. */
void assert_ended(RelayFixture *f, gboolean is_broken, const char *failure);

/* Adds a test that runs with pieces of several sizes. */
void add_relay_test(const char *path, void (*test)(RelayFixture *f, gconstpointer data));
