/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-relay: a whole conversation, both sides of which are hostile.
 *
 * The input is a list of pieces: a byte with the side (bit 0), its end (bit 1) and a small size
 * (the other bits, of 16 bytes), then the bytes. Whatever comes, the value of the secret never
 * reaches the client, and what the server gets is a sequence of heads and bodies for its host.
 */
#include <stdint.h>
#include <string.h>

#include "http-body.h"
#include "http-relay.h"

#define VALUE "s3cr3t-s3cr3t-value"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    Bytes client_in, client_out, server_in, server_out;
    GString *client_got;
    Bytes server_got;
    HttpBodyReader body; /* of the request that the server reads */
    HttpScan scan;
    gboolean is_tunnel;
} Conversation;

/* The server reads what it got as a strict server does. */
static void
read_as_server(Conversation *c)
{
    const char *refusal = NULL;
    gsize size;
    HttpHead head;

    while (!c->is_tunnel) {
        size = http_body_next(&c->body, &c->server_got, &refusal);
        g_assert_cmpstr(refusal, ==, NULL);
        http_body_consume(&c->body, &c->server_got, size);
        if (size > 0)
            continue;
        if (!c->body.is_complete)
            return;
        g_assert_null(http_head_scan(&c->scan, bytes_peek(&c->server_got),
                                     bytes_size(&c->server_got), &size));
        if (size == 0)
            return;
        g_assert_null(http_request_parse(bytes_peek(&c->server_got), size, &head));
        g_assert_true(http_text_is(head.host, "api.example.com"));
        http_body_begin(&c->body, head.body, head.length);
        bytes_consume(&c->server_got, size);
        c->scan = (HttpScan){0};
    }
    bytes_consume(&c->server_got, bytes_size(&c->server_got));
}

static void
drain(Conversation *c, HttpRelay *relay)
{
    c->is_tunnel = c->is_tunnel || http_relay_state(relay) == HTTP_RELAY_TUNNEL;
    g_string_append_len(c->client_got, (const char *)bytes_peek(&c->client_out),
                        (gssize)bytes_size(&c->client_out));
    bytes_consume(&c->client_out, bytes_size(&c->client_out));
    bytes_move(&c->server_out, &c->server_got, G_MAXSIZE);
    read_as_server(c);
}

static void
turn(Conversation *c, HttpRelay *relay)
{
    while (http_relay_turn(relay))
        drain(c, relay);
    drain(c, relay);
}

static void
converse(Conversation *c, HttpRelay *relay, const uint8_t *data, size_t size)
{
    while (size > 0) {
        uint8_t control = data[0];
        Bytes *queue = control & 1 ? &c->server_in : &c->client_in;
        gsize length = MIN((gsize)(control >> 2) * 16 + 1, size - 1);
        if (length > bytes_room(queue))
            return;
        if (!queue->ended)
            bytes_put(queue, data + 1, length);
        queue->ended = queue->ended || control & 2;
        data += 1 + length;
        size -= 1 + length;
        turn(c, relay);
    }
}

static GPtrArray *
make_secrets(void)
{
    GPtrArray *secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    static const char *const paths[] = {"/v1", NULL};

    g_ptr_array_add(secrets, secret_new("token", "Authorization", "Bearer %s", VALUE, strlen(VALUE),
                                        NULL, paths, NULL));
    return secrets;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) secrets = make_secrets();
    Conversation c = {.client_got = g_string_new(NULL), .body = {.is_complete = TRUE}};
    HttpRelayOptions options = {.host = "api.example.com",
                                .port = 443,
                                .tls = TRUE,
                                .allow_upgrade = TRUE,
                                .secrets = secrets};

    bytes_init(&c.client_in, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&c.client_out, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&c.server_in, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&c.server_out, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&c.server_got, 4 * HTTP_RELAY_QUEUE_MIN);
    HttpRelay *relay = http_relay_new(
        &options, (HttpRelayQueues){&c.client_in, &c.client_out, &c.server_in, &c.server_out});
    converse(&c, relay, data, size);
    g_assert_null(memmem(c.client_got->str, c.client_got->len, VALUE, strlen(VALUE)));
    http_relay_free(relay);
    bytes_clear(&c.client_in);
    bytes_clear(&c.client_out);
    bytes_clear(&c.server_in);
    bytes_clear(&c.server_out);
    bytes_clear(&c.server_got);
    g_string_free(c.client_got, TRUE);
    return 0;
}
