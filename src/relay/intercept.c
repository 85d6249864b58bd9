/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * intercept: guest — TLS — relay — TLS — server.
 *
 * Both handshakes begin when the ClientHello was read. What the relay writes for the server stays
 * in its queue until the server is verified, and is wiped if it is not.
 */
#include "intercept.h"

#include <string.h>

#include "client-hello.h"

/* Queues of the connections, and of the plain text inside TLS. */
typedef struct {
    Bytes guest_in, guest_out, upstream_in, upstream_out;
} Queues;

struct Intercept {
    Authority *authority; /* NULL: without TLS */
    TlsTrust *trust;
    char *host;
    Queues wire, plain;
    HttpRelay *relay;
    TlsSide *guest, *upstream; /* NULL: without TLS, or not yet */
    const char *upstream_failure;
    gboolean is_over; /* by something else than the relay */
    const char *failure;
};

static void
init_queues(Queues *queues)
{
    bytes_init(&queues->guest_in, INTERCEPT_QUEUE_MAX);
    bytes_init(&queues->guest_out, INTERCEPT_QUEUE_MAX);
    bytes_init(&queues->upstream_in, INTERCEPT_QUEUE_MAX);
    bytes_init(&queues->upstream_out, INTERCEPT_QUEUE_MAX);
}

static void
for_queues(Queues *queues, void (*function)(Bytes *queue))
{
    function(&queues->guest_in);
    function(&queues->guest_out);
    function(&queues->upstream_in);
    function(&queues->upstream_out);
}

Intercept *
intercept_new(const InterceptOptions *options)
{
    Intercept *intercept = g_new0(Intercept, 1);
    Queues *queues = options->relay.tls ? &intercept->plain : &intercept->wire;

    init_queues(&intercept->wire);
    init_queues(&intercept->plain);
    intercept->host = g_strdup(options->relay.host);
    if (options->relay.tls) {
        intercept->authority = authority_ref(options->authority);
        intercept->trust = tls_trust_ref(options->trust);
    }
    intercept->relay = http_relay_new(
        &options->relay, (HttpRelayQueues){&queues->guest_in, &queues->guest_out,
                                           &queues->upstream_in, &queues->upstream_out});
    return intercept;
}

void
intercept_free(Intercept *intercept)
{
    if (!intercept)
        return;
    http_relay_free(intercept->relay);
    tls_side_free(intercept->guest);
    tls_side_free(intercept->upstream);
    for_queues(&intercept->wire, bytes_clear);
    for_queues(&intercept->plain, bytes_clear);
    authority_unref(intercept->authority);
    tls_trust_unref(intercept->trust);
    g_free(intercept->host);
    g_free(intercept);
}

Bytes *
intercept_guest_in(Intercept *intercept)
{
    return &intercept->wire.guest_in;
}

Bytes *
intercept_upstream_in(Intercept *intercept)
{
    return &intercept->wire.upstream_in;
}

Bytes *
intercept_guest_out(Intercept *intercept)
{
    return &intercept->wire.guest_out;
}

Bytes *
intercept_upstream_out(Intercept *intercept)
{
    return &intercept->wire.upstream_out;
}

/* --- the ClientHello --- */

static void
end(Intercept *intercept, const char *failure)
{
    intercept->is_over = TRUE;
    intercept->failure = failure;
    intercept->wire.guest_out.ended = TRUE;
    bytes_clear(&intercept->plain.upstream_out);
    bytes_clear(&intercept->wire.upstream_out);
    intercept->wire.upstream_out.ended = TRUE;
}

static void
refuse_hello(Intercept *intercept, const char *failure)
{
    bytes_put(&intercept->wire.guest_out, client_hello_alert, CLIENT_HELLO_ALERT_SIZE);
    end(intercept, failure);
}

static void
begin_tls(Intercept *intercept)
{
    Queues *wire = &intercept->wire, *plain = &intercept->plain;
    g_autoptr(AuthorityLeaf) leaf = authority_leaf(intercept->authority, intercept->host,
                                                   g_get_real_time() / G_USEC_PER_SEC, NULL);

    if (leaf) {
        intercept->guest = tls_side_new_server(
            leaf,
            (TlsSideQueues){&wire->guest_in, &wire->guest_out, &plain->guest_in, &plain->guest_out},
            NULL);
        intercept->upstream =
            tls_side_new_client(intercept->trust, intercept->host,
                                (TlsSideQueues){&wire->upstream_in, &wire->upstream_out,
                                                &plain->upstream_in, &plain->upstream_out},
                                NULL);
    }
    if (!intercept->guest || !intercept->upstream)
        refuse_hello(intercept, "TLS could not be set up");
}

static void
read_hello(Intercept *intercept)
{
    Bytes *in = &intercept->wire.guest_in;
    char name[CLIENT_HELLO_NAME_MAX + 1];

    switch (client_hello_read(bytes_peek(in), bytes_size(in), name)) {
    case CLIENT_HELLO_MORE:
        if (in->ended)
            end(intercept, bytes_size(in) ? "the ClientHello is incomplete" : NULL);
        return;
    case CLIENT_HELLO_NAME:
        if (strcmp(name, intercept->host) == 0)
            begin_tls(intercept);
        else
            refuse_hello(intercept, "the ClientHello names another server");
        return;
    case CLIENT_HELLO_NO_NAME:
        refuse_hello(intercept, "the ClientHello names no server");
        return;
    case CLIENT_HELLO_NOT_TLS:
        end(intercept, "the connection does not begin with TLS");
        return;
    case CLIENT_HELLO_MALFORMED:
        refuse_hello(intercept, "the ClientHello is malformed");
    }
}

/* --- turns --- */

static gboolean
turn_guest(Intercept *intercept)
{
    if (!intercept->guest)
        return FALSE;
    gboolean moved = tls_side_turn(intercept->guest);
    if (tls_side_state(intercept->guest) != TLS_SIDE_FAILED)
        return moved;
    /* A program that ends need not close TLS. */
    end(intercept,
        http_relay_is_idle(intercept->relay) ? NULL : tls_side_failure(intercept->guest));
    return TRUE;
}

static gboolean
turn_upstream(Intercept *intercept)
{
    if (!intercept->upstream)
        return FALSE;
    gboolean moved = tls_side_turn(intercept->upstream);
    if (tls_side_state(intercept->upstream) == TLS_SIDE_FAILED)
        http_relay_server_failed(intercept->relay, intercept->upstream_failure
                                                       ? intercept->upstream_failure
                                                       : tls_side_failure(intercept->upstream));
    return moved;
}

static void
turn_all(Intercept *intercept)
{
    gboolean moved = TRUE;

    while (moved && !intercept->is_over) {
        moved = turn_guest(intercept);
        if (intercept->is_over)
            return;
        moved = turn_upstream(intercept) || moved;
        moved = http_relay_turn(intercept->relay) || moved;
    }
}

static void
discard_guest(Intercept *intercept)
{
    Bytes *in = &intercept->wire.guest_in;
    bytes_consume(in, bytes_size(in));
}

/* All bytes for the guest are in the queue that the caller empties. */
static gboolean
is_flushed(const Intercept *intercept)
{
    if (!intercept->guest)
        return TRUE;
    if (http_relay_is_broken(intercept->relay))
        return bytes_size(&intercept->plain.guest_out) == 0;
    return tls_side_state(intercept->guest) == TLS_SIDE_CLOSED;
}

static gboolean
is_in_handshake(const TlsSide *side)
{
    return !side || tls_side_state(side) == TLS_SIDE_HANDSHAKE;
}

static InterceptState
state_of(const Intercept *intercept)
{
    HttpRelayState state = http_relay_state(intercept->relay);

    if (intercept->is_over)
        return INTERCEPT_ENDED;
    if (state == HTTP_RELAY_ENDED && is_flushed(intercept))
        return http_relay_is_broken(intercept->relay) ? INTERCEPT_BROKEN : INTERCEPT_ENDED;
    if (intercept->authority &&
        (is_in_handshake(intercept->guest) || is_in_handshake(intercept->upstream)))
        return INTERCEPT_GREETING;
    return state == HTTP_RELAY_HEAD     ? INTERCEPT_HEAD
           : state == HTTP_RELAY_TUNNEL ? INTERCEPT_TUNNEL
                                        : INTERCEPT_EXCHANGE;
}

InterceptState
intercept_turn(Intercept *intercept)
{
    if (intercept->authority && !intercept->guest && !intercept->is_over)
        read_hello(intercept);
    if (!intercept->authority || intercept->guest)
        turn_all(intercept);
    if (intercept->is_over)
        discard_guest(intercept);
    if (http_relay_is_idle(intercept->relay))
        intercept_trim(intercept);
    return state_of(intercept);
}

void
intercept_trim(Intercept *intercept)
{
    for_queues(&intercept->wire, bytes_trim);
    for_queues(&intercept->plain, bytes_trim);
}

/* --- what it is at --- */

gboolean
intercept_is_idle(const Intercept *intercept)
{
    return http_relay_is_idle(intercept->relay) && bytes_size(&intercept->wire.guest_in) == 0;
}

gboolean
intercept_wants_upstream(const Intercept *intercept)
{
    if (intercept->is_over)
        return FALSE;
    return intercept->authority ? intercept->upstream != NULL
                                : http_relay_wants_server(intercept->relay);
}

void
intercept_upstream_failed(Intercept *intercept, const char *reason)
{
    intercept->upstream_failure = reason;
    intercept->wire.upstream_in.ended = TRUE;
    if (!intercept->authority)
        http_relay_server_failed(intercept->relay, reason);
}

const char *
intercept_failure(const Intercept *intercept)
{
    return intercept->failure ? intercept->failure : http_relay_failure(intercept->relay);
}
