/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-exchanges: what the relay makes of requests and responses, in pieces of any size. */
#include "relay-fixture.h"

#include <string.h>

#define HOST "Host: api.example.com\r\n"
#define GET "GET /a?b=c HTTP/1.1\r\n" HOST "\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void
test_simple(RelayFixture *f, gconstpointer data)
{
    client_says(f, "GET /a?b=c HTTP/1.1\r\nhost: API.example.com:443\r\nX-Y:  z \t\r\n"
                   "Accept: */*\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n");
    assert_server_got(f, "GET /a?b=c HTTP/1.1\r\n" HOST "X-Y: z\r\nAccept: */*\r\n\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\nServer:x\r\nConnection: keep-alive\r\nKeep-Alive: 1\r\n"
                   "Content-Length: 0002\r\n\r\nok");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    g_assert_true(http_relay_is_idle(f->relay));
    assert_log(f, "GET /a 200 0 2\n");
}

static void
test_hop_fields(RelayFixture *f, gconstpointer data)
{
    client_says(f, "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n"
                   "HTTP2-Settings: AAM\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                   "Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, X\r\n"
                   "Trailer: X\r\nProxy-Authenticate: Basic\r\nContent_Length: 7\r\n"
                   "Content-Length: 0\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void
test_bodies(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST /up HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    assert_server_got(f, "POST /up HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    server_says(f, OK);
    assert_client_got(f, OK);
    client_says(f, "POST /up HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    assert_server_got(f, "POST /up HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    server_says(f, OK);
    assert_client_got(f, OK);
    assert_log(f, "POST /up 200 5 2\nPOST /up 200 0 2\n");
}

/* The pieces become other chunks; only the sum of them is the same. */
static char *
content_of_chunks(const char *text)
{
    GString *content = g_string_new(NULL);
    char *end;

    for (;;) {
        guint64 size = g_ascii_strtoull(text, &end, 16);
        g_assert_true(g_str_has_prefix(end, "\r\n"));
        if (size == 0)
            break;
        g_string_append_len(content, end + 2, (gssize)size);
        text = end + 2 + size + 2;
    }
    g_assert_cmpstr(end, ==, "\r\n\r\n");
    return g_string_free(content, FALSE);
}

static void
assert_chunks(GString *got, const char *head, const char *content)
{
    g_assert_true(g_str_has_prefix(got->str, head));
    g_autofree char *found = content_of_chunks(got->str + strlen(head));
    g_assert_cmpstr(found, ==, content);
    g_string_truncate(got, 0);
}

static void
test_chunks(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST /up HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
                   "5\r\nhello\r\n0000000A\r\n, world...\r\n0\r\n\r\n");
    assert_chunks(f->server_got, "POST /up HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
                  "hello, world...");
    server_says(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\n00\r\n\r\n");
    assert_chunks(f->client_got, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a\r\n");
    assert_log(f, "POST /up 200 15 3\n");
    client_says(f, GET);
    assert_server_got(f, GET);
}

/* Malformed chunks are found after the head has left; the client learns it, and both ends. */
static void
test_wrong_chunks(RelayFixture *f, gconstpointer data)
{
    static const struct {
        const char *body, *reason;
    } wrong[] = {
        {"3;a=b\r\nabc\r\n0\r\n\r\n", "the size of a chunk is malformed"},
        {"fffffffff\r\nabc\r\n", "the size of a chunk has more than 8 digits"},
        {"000000003\r\nabc\r\n", "the size of a chunk has more than 8 digits"},
        {"-1\r\n\r\n", "the size of a chunk is malformed"},
        {"+1\r\na\r\n", "the size of a chunk is malformed"},
        {"0x1\r\na\r\n", "the size of a chunk is malformed"},
        {" 1\r\na\r\n", "the size of a chunk is malformed"},
        {"1 \r\na\r\n", "the size of a chunk is malformed"},
        {"\r\n", "the size of a chunk is malformed"},
        {"1\na\n", "the size of a chunk is malformed"},
        {"1;\na\r\n", "the size of a chunk is malformed"},
        {"1\r\na\ra", "a chunk is longer than its size"},
        {"0\r\n\r\r", "the chunked body has a trailer"},
        {"1\r\rab", "the size of a chunk is malformed"},
        {"1\r\nab\r\n", "a chunk is longer than its size"},
        {"1\r\na\n0\r\n\r\n", "a chunk is longer than its size"},
        {"0\r\nX: y\r\n\r\n", "the chunked body has a trailer"},
        {"0\r\n\n", "the chunked body has a trailer"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        client_says(f, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        assert_server_got(f, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        client_says(f, wrong[i].body);
        g_assert_null(strstr(f->server_got->str, "\r\n0\r\n"));
        g_string_truncate(f->server_got, 0);
        assert_refused(f, 400, wrong[i].reason);
        relay_tear_down(f, NULL);
        memset(f, 0, sizeof *f);
        relay_set_up(f, data);
    }
}

static void
test_chunk_of_8_digits(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nabc");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_EXCHANGE);
}

static void
test_wrong_response_chunks(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;x\r\nb\r\n");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    assert_ended(f, TRUE, "the size of a chunk is malformed");
    assert_log(f, "GET /a 200 0 1: the size of a chunk is malformed\n");
}

static void
test_pipelined(RelayFixture *f, gconstpointer data)
{
    client_says(f, "GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST
                   "Content-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\n" HOST
                   "Connection: close\r\n\r\nGET /4 HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET /1 HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, OK);
    assert_server_got(f, "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    server_says(f, OK);
    assert_server_got(f, "GET /3 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    server_says(f, OK);
    assert_server_got(f, "");
    assert_client_got(f,
                      OK OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    assert_ended(f, FALSE, NULL);
    assert_log(f, "GET /1 200 0 2\nPOST /2 200 1 2\nGET /3 200 0 2\n");
}

/* The second one is refused after the first one was served. */
static void
test_pipelined_fronting(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET "GET / HTTP/1.1\r\nHost: evil.example.net\r\n\r\n");
    assert_server_got(f, GET);
    assert_client_got(f, "");
    server_says(f, OK);
    g_assert_true(g_str_has_prefix(f->client_got->str, OK "HTTP/1.1 403 Forbidden\r\n"));
    assert_server_got(f, "");
    assert_ended(f, FALSE, "Host is not the host of this connection");
}

static void
test_head(RelayFixture *f, gconstpointer data)
{
    client_says(f, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    client_says(f, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 200 OK\r\n\r\n");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    client_says(f, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n"
                         "Content-Length: 48\r\nConnection: close\r\n\r\n");
}

static void
test_statuses_without_body(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 204 No Content\r\n\r\n");
    client_says(f, GET);
    server_says(f, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    assert_log(f, "GET /a 204 0 0\nGET /a 304 0 0\n");
}

static void
test_until_close(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.0 200 OK\r\n\r\nsome text");
    server_ends(f);
    assert_client_got(f, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    assert_ended(f, FALSE, NULL);
    assert_log(f, "GET /a 200 0 9\n");
}

static void
test_until_error(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.1 200 OK\r\n\r\nsome text");
    server_fails(f, "the connection was reset");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    assert_ended(f, TRUE, "the connection was reset");
}

static void
test_incomplete_response(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
    server_ends(f);
    assert_client_got(f, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
    assert_ended(f, TRUE, "the body is incomplete");
}

static void
test_http_1_0_with_length(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    assert_ended(f, FALSE, NULL);
}

/* --- continue, early responses, upgrades --- */

#define EXPECT "PUT / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"

static void
test_continue(RelayFixture *f, gconstpointer data)
{
    client_says(f, "PUT / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 4\r\n\r\n");
    assert_server_got(f, EXPECT);
    server_says(f, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    assert_client_got(f, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                         "HTTP/1.1 100 Continue\r\n\r\n");
    client_says(f, "body");
    assert_server_got(f, "body");
    server_says(f, OK);
    assert_client_got(f, OK);
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    assert_log(f, "PUT / 200 4 2\n");
}

static void
test_continue_refused(RelayFixture *f, gconstpointer data)
{
    client_says(f, EXPECT);
    assert_server_got(f, EXPECT);
    server_says(f, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_client_got(f, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n"
                         "Connection: close\r\n\r\nno");
    assert_ended(f, FALSE, NULL);
    /* Whatever the client takes its next bytes for: nobody reads them. */
    client_says(f, "GET /smuggled HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "");
    assert_client_got(f, "");
    g_assert_cmpuint(bytes_size(&f->client_in), ==, 0);
}

static void
test_early_response(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345");
    server_says(f, "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nno");
    client_says(f, "67");
    assert_server_got(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n1234567");
    server_says(f, "pe");
    assert_client_got(f, "HTTP/1.1 401 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope");
    assert_ended(f, FALSE, NULL);
    assert_log(f, "POST / 401 7 4\n");
}

static void
test_interim_bound(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    for (guint i = 0; i < 64; i++)
        server_says(f, "HTTP/1.1 102 \r\n\r\n");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_EXCHANGE);
    server_says(f, "HTTP/1.1 102 \r\n\r\n");
    g_assert_nonnull(strstr(f->client_got->str, "cloche: the server sent too many interim"));
    assert_ended(f, FALSE, "the server sent too many interim responses");
}

#define UPGRADE "GET /ws HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void
test_websocket(RelayFixture *f, gconstpointer data)
{
    f->options.allow_upgrade = TRUE;
    client_says(f, "GET /ws HTTP/1.1\r\n" HOST "Upgrade: WebSocket\r\n"
                   "Connection: keep-alive, upgrade\r\n\r\n");
    assert_server_got(f, UPGRADE);
    server_says(f, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: upgrade\r\n\r\nfirst");
    assert_client_got(f, SWITCH "first");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_TUNNEL);
    client_says(f, "\n\1\2any");
    assert_server_got(f, "\n\1\2any");
    client_ends(f);
    g_assert_true(f->server_out.ended);
    server_says(f, "last");
    server_ends(f);
    assert_client_got(f, "last");
    assert_ended(f, FALSE, NULL);
    assert_log(f, "GET /ws 101 6 9\n");
}

static void
test_websocket_refused(RelayFixture *f, gconstpointer data)
{
    f->options.allow_upgrade = TRUE;
    client_says(f, UPGRADE GET);
    assert_server_got(f, UPGRADE);
    server_says(f, OK);
    assert_client_got(f, OK);
    assert_server_got(f, GET);
}

static void
test_websocket_not_allowed(RelayFixture *f, gconstpointer data)
{
    client_says(f, UPGRADE);
    assert_server_got(f, "GET /ws HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, SWITCH);
    assert_refused(f, 502, "the server switched protocols without a request");
}

/* Only a GET without a body can become a tunnel, and only to WebSocket. */
static void
test_other_upgrades(RelayFixture *f, gconstpointer data)
{
    f->options.allow_upgrade = TRUE;
    client_says(f, "POST / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_server_got(f, "POST / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, OK);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, OK);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_ended(f, FALSE, "the server switched protocols without a request");
}

/* --- cuts --- */

#define REQUESTS                                                                                   \
    "POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"        \
    "PUT /2 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxyGET /3 HTTP/1.1\r\n" HOST "\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

/* Text in two parts. */
static void
say_cut(RelayFixture *f, void (*say)(RelayFixture *f, const char *text), const char *text,
        gsize cut)
{
    g_autofree char *first = g_strndup(text, cut);

    say(f, first);
    say(f, text + cut);
}

static void
converse_cut(gsize client_cut, gsize server_cut)
{
    RelayFixture f = {0};

    relay_set_up(&f, GSIZE_TO_POINTER(G_MAXSIZE));
    say_cut(&f, client_says, REQUESTS, client_cut);
    for (guint i = 0; i < 3; i++)
        say_cut(&f, server_says, RESPONSE, server_cut);
    assert_log(&f, "POST /1 200 5 3\nPUT /2 200 2 3\nGET /3 200 0 3\n");
    g_assert_true(g_str_has_suffix(f.server_got->str, "xyGET /3 HTTP/1.1\r\n" HOST "\r\n"));
    g_assert_true(g_str_has_suffix(f.client_got->str, "\r\n0\r\n\r\n"));
    g_assert_cmpint(http_relay_state(f.relay), ==, HTTP_RELAY_HEAD);
    relay_tear_down(&f, NULL);
}

static void
test_every_cut(void)
{
    for (gsize cut = 0; cut <= strlen(REQUESTS); cut++)
        converse_cut(cut, 0);
    for (gsize cut = 0; cut <= strlen(RESPONSE); cut++)
        converse_cut(0, cut);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_relay_test("/exchanges/simple", test_simple);
    add_relay_test("/exchanges/hop-fields", test_hop_fields);
    add_relay_test("/exchanges/bodies", test_bodies);
    add_relay_test("/exchanges/chunks", test_chunks);
    add_relay_test("/exchanges/wrong-chunks", test_wrong_chunks);
    add_relay_test("/exchanges/chunk-of-8-digits", test_chunk_of_8_digits);
    g_test_add("/exchanges/wrong-response-chunks", RelayFixture, GSIZE_TO_POINTER(1000),
               relay_set_up, test_wrong_response_chunks, relay_tear_down);
    add_relay_test("/exchanges/pipelined", test_pipelined);
    add_relay_test("/exchanges/pipelined-fronting", test_pipelined_fronting);
    add_relay_test("/exchanges/head", test_head);
    add_relay_test("/exchanges/statuses-without-body", test_statuses_without_body);
    add_relay_test("/exchanges/until-close", test_until_close);
    add_relay_test("/exchanges/until-error", test_until_error);
    add_relay_test("/exchanges/incomplete-response", test_incomplete_response);
    add_relay_test("/exchanges/http-1.0-with-length", test_http_1_0_with_length);
    add_relay_test("/exchanges/continue", test_continue);
    add_relay_test("/exchanges/continue-refused", test_continue_refused);
    add_relay_test("/exchanges/early-response", test_early_response);
    add_relay_test("/exchanges/interim-bound", test_interim_bound);
    add_relay_test("/exchanges/websocket", test_websocket);
    add_relay_test("/exchanges/websocket-refused", test_websocket_refused);
    add_relay_test("/exchanges/websocket-not-allowed", test_websocket_not_allowed);
    add_relay_test("/exchanges/other-upgrades", test_other_upgrades);
    g_test_add_func("/exchanges/every-cut", test_every_cut);
    return g_test_run();
}
