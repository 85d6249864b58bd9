/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-intercept: what it costs to read requests inside TLS, without any socket.
 *
 * Client, interception and server are in this process and share one thread, so that MB/s of the
 * intercepted way include two encryptions and two decryptions, of the direct way one of each.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "intercept.h"
#include "test-pki.h"
#include "tls-peer.h"

#define HOST "api.example.com"
#define GET "GET /a HTTP/1.1\r\nHost: " HOST "\r\n\r\n"
#define VALUE "s3cr3t-s3cr3t-value"
#define BODY_SIZE (128u * 1024 * 1024)
#define HANDSHAKES 200u
#define CONNECTIONS 100u
#define LEAVES 200u

typedef struct {
    Pki *pki;
    Authority *authority;
    TlsTrust *trust;
    GPtrArray *secrets;
} Parts;

typedef struct {
    Intercept *intercept; /* NULL: the peers are connected directly */
    TlsPeer *guest, *server;
} Connection;

static double
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static Parts
make_parts(void)
{
    static const char *const hosts[] = {HOST, NULL};
    Parts parts = {.pki = pki_new(), .authority = authority_new(hosts, NULL)};

    parts.trust = tls_trust_new(pki_pem(parts.pki), NULL);
    parts.secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    g_ptr_array_add(parts.secrets, secret_new("token", "Authorization", "Bearer %s", VALUE,
                                              strlen(VALUE), NULL, NULL, NULL));
    return parts;
}

static Connection
connect_peers(const Parts *parts, gboolean is_direct)
{
    Connection c = {0};

    if (!is_direct)
        c.intercept = intercept_new(&(InterceptOptions){
            .relay = {.host = HOST, .port = 443, .tls = TRUE, .secrets = parts->secrets},
            .authority = parts->authority,
            .trust = parts->trust});
    c.guest = tls_peer_new_client(
        HOST, is_direct ? pki_pem(parts->pki) : authority_pem(parts->authority), NULL, NULL);
    c.server = tls_peer_new_server(pki_issue(parts->pki, HOST, PKI_GOOD), NULL, NULL);
    return c;
}

static void
free_connection(Connection *c)
{
    intercept_free(c->intercept);
    tls_peer_free(c->guest);
    tls_peer_free(c->server);
}

/* Moves records between the three, and returns whether there were any. */
static gboolean
move_records(Connection *c)
{
    gboolean moved;

    if (!c->intercept) {
        moved = bytes_move(&c->guest->out, &c->server->in, G_MAXSIZE) > 0;
        return bytes_move(&c->server->out, &c->guest->in, G_MAXSIZE) > 0 || moved;
    }
    moved = bytes_move(&c->guest->out, intercept_guest_in(c->intercept), G_MAXSIZE) > 0;
    moved = bytes_move(&c->server->out, intercept_upstream_in(c->intercept), G_MAXSIZE) || moved;
    intercept_turn(c->intercept);
    moved = bytes_move(intercept_guest_out(c->intercept), &c->guest->in, G_MAXSIZE) || moved;
    return bytes_move(intercept_upstream_out(c->intercept), &c->server->in, G_MAXSIZE) || moved;
}

static void
run(Connection *c)
{
    gboolean moved = TRUE;

    while (moved) {
        moved = tls_peer_turn(c->guest);
        moved = tls_peer_turn(c->server) || moved;
        moved = move_records(c) || moved;
    }
}

static void
request(Connection *c)
{
    g_string_append(c->guest->to_send, GET);
    run(c);
    g_assert_cmpuint(c->server->got->len, >, 0);
    g_string_truncate(c->server->got, 0);
}

static void
measure_handshakes(const Parts *parts, gboolean is_direct)
{
    double total_us = 0;

    for (guint i = 0; i < HANDSHAKES; i++) {
        Connection c = connect_peers(parts, is_direct);
        double begin_us = now_us();
        request(&c);
        total_us += now_us() - begin_us;
        free_connection(&c);
    }
    printf("%s: both ends' handshakes and a request: %.0f us\n",
           is_direct ? "direct" : "intercepted", total_us / HANDSHAKES);
}

/* A response whose body is sent as fast as it is taken. */
static void
measure_bulk(const Parts *parts, gboolean is_direct)
{
    static char block[16384];
    Connection c = connect_peers(parts, is_direct);
    gsize sent = 0, got = 0;

    request(&c);
    g_string_append_printf(c.server->to_send, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
                           BODY_SIZE);
    run(&c);
    double begin_us = now_us();
    while (got < BODY_SIZE) {
        while (sent < BODY_SIZE && bytes_room(&c.server->out) > 20000)
            sent += (gsize)gnutls_record_send(c.server->session, block, sizeof block);
        move_records(&c);
        ssize_t n;
        while ((n = gnutls_record_recv(c.guest->session, block, sizeof block)) > 0)
            got += (gsize)n;
    }
    double us = now_us() - begin_us;
    printf("%s: %.0f MB/s\n", is_direct ? "direct" : "intercepted", BODY_SIZE / us);
    free_connection(&c);
}

static void
measure_plain_bulk(void)
{
    static char block[16384];
    g_autoptr(Intercept) intercept =
        intercept_new(&(InterceptOptions){.relay = {.host = HOST, .port = 80}});
    g_autofree char *head =
        g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", BODY_SIZE);
    Bytes *in = intercept_upstream_in(intercept), *out = intercept_guest_out(intercept);
    gsize sent = 0, got = 0;

    bytes_put(intercept_guest_in(intercept), GET, strlen(GET));
    intercept_turn(intercept);
    bytes_put(in, head, strlen(head));
    double begin_us = now_us();
    while (got < BODY_SIZE) {
        gsize size = MIN(MIN(bytes_room(in), sizeof block), BODY_SIZE - sent);
        bytes_put(in, block, size);
        sent += size;
        intercept_turn(intercept);
        got += bytes_size(out);
        bytes_consume(out, bytes_size(out));
    }
    printf("plain HTTP: %.0f MB/s\n", BODY_SIZE / (now_us() - begin_us));
}

static void
measure_memory(const Parts *parts)
{
    Connection connections[CONNECTIONS];
    gsize before, idle;

    before = mallinfo2().uordblks;
    for (guint i = 0; i < CONNECTIONS; i++) {
        Connection *c = &connections[i];
        *c = connect_peers(parts, FALSE);
        request(c);
        g_string_append(c->server->to_send, "HTTP/1.1 204 \r\n\r\n");
        run(c);
        tls_peer_free(c->guest);
        tls_peer_free(c->server);
    }
    idle = mallinfo2().uordblks;
    for (guint i = 0; i < CONNECTIONS; i++)
        intercept_free(connections[i].intercept);
    printf("memory of an idle connection: %zu bytes\n", (idle - before) / CONNECTIONS);
}

static void
measure_certificates(void)
{
    double begin_us = now_us();

    for (guint i = 0; i < LEAVES; i++)
        authority_unref(authority_new(NULL, NULL));
    printf("authority: %.0f us\n", (now_us() - begin_us) / LEAVES);
    g_autoptr(Authority) authority = authority_new(NULL, NULL);
    begin_us = now_us();
    for (guint i = 0; i < LEAVES; i++) {
        g_autofree char *host = g_strdup_printf("h%u.example", i);
        authority_leaf_unref(authority_leaf(authority, host, time(NULL), NULL));
    }
    printf("leaf: %.0f us\n", (now_us() - begin_us) / LEAVES);
}

int
main(void)
{
    Parts parts = make_parts();

    measure_certificates();
    measure_handshakes(&parts, TRUE);
    measure_handshakes(&parts, FALSE);
    measure_bulk(&parts, TRUE);
    measure_bulk(&parts, FALSE);
    measure_plain_bulk();
    measure_memory(&parts);
    g_ptr_array_unref(parts.secrets);
    authority_unref(parts.authority);
    tls_trust_unref(parts.trust);
    pki_free(parts.pki);
    return 0;
}
