/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-ends: how connections end, options, and queues that are full. */
#include "relay-fixture.h"

#include <string.h>

#define HOST "Host: api.example.com\r\n"
#define GET "GET /a?b=c HTTP/1.1\r\n" HOST "\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void
test_response_splitting(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    assert_server_got(f, GET);
    server_says(f, OK);
    assert_client_got(f, OK);
    server_says(f, "H");
    assert_ended(f, FALSE, "the server sent bytes without a request");
    client_says(f, GET);
    assert_server_got(f, "");
    assert_client_got(f, "");
}

/* A second response to one request never becomes the response to the next request. */
static void
test_two_responses(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET "GET /2 HTTP/1.1\r\n" HOST "\r\n");
    f->piece = G_MAXSIZE;
    server_says(f, OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_client_got(f, OK);
    assert_server_got(f, GET);
    assert_ended(f, FALSE, "the server sent bytes without a request");
}

static void
test_server_speaks_first(RelayFixture *f, gconstpointer data)
{
    server_says(f, "220 ready\r\n");
    assert_ended(f, FALSE, "the server sent bytes without a request");
}

static void
test_no_response(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    assert_server_got(f, GET);
    server_ends(f);
    assert_refused(f, 502, "the server closed the connection without a response");
    assert_log(f, "GET /a 502 0 0: the server closed the connection without a response\n");
}

static void
test_half_response(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    assert_server_got(f, GET);
    server_says(f, "HTTP/1.1 200 OK\r\n");
    server_fails(f, "reset");
    assert_refused(f, 502, "reset");
}

/* The second time it just ends, so that the client tries again. */
static void
test_no_second_response(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, OK);
    assert_client_got(f, OK);
    client_says(f, GET);
    server_ends(f);
    assert_client_got(f, "");
    assert_ended(f, FALSE, "the server closed the connection without a response");
}

static void
test_connect_failed(RelayFixture *f, gconstpointer data)
{
    server_fails(f, "no route");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    client_says(f, GET);
    assert_refused(f, 502, "no route");
    assert_log(f, "GET /a 502 0 0: no route\n");
}

static void
test_idle_server_closes(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    server_says(f, OK);
    server_ends(f);
    assert_client_got(f, OK);
    assert_ended(f, FALSE, NULL);
}

static void
test_client_closes(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    client_ends(f);
    server_says(f, OK);
    assert_client_got(f, OK);
    assert_ended(f, FALSE, NULL);
}

static void
test_client_closes_in_head(RelayFixture *f, gconstpointer data)
{
    client_says(f, "GET / HT");
    client_ends(f);
    assert_client_got(f, "");
    assert_ended(f, TRUE, "the client closed the connection within a head");
    assert_log(f, "");
}

static void
test_client_closes_in_body(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab");
    client_ends(f);
    g_assert_null(strstr(f->server_got->str, "\r\n0\r\n"));
    g_string_truncate(f->server_got, 0);
    assert_refused(f, 400, "the body is incomplete");
}

/* What was not sent to the server does not stay in memory. */
static void
test_unsent(RelayFixture *f, gconstpointer data)
{
    f->piece = 0;
    bytes_put(&f->client_in, GET, strlen(GET));
    server_fails(f, "no route");
    g_assert_null(f->server_out.data);
    assert_ended(f, FALSE, "no route");
}

static void
test_freed(RelayFixture *f, gconstpointer data)
{
    client_says(f, GET);
    g_clear_pointer(&f->relay, http_relay_free);
    assert_log(f, "GET /a 0 0 0: the connection was reset\n");
}

/* --- options --- */

static void
test_port_and_proxy(RelayFixture *f, gconstpointer data)
{
    f->options.tls = FALSE;
    f->options.port = 8080;
    f->options.via_proxy = TRUE;
    client_says(f, "GET /a HTTP/1.1\r\nHost: api.example.com:8080\r\n\r\n");
    assert_server_got(f, "GET http://api.example.com:8080/a HTTP/1.1\r\n"
                         "Host: api.example.com:8080\r\n\r\n");
    server_says(f, OK);
    client_says(f, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET http://api.example.com:8080/a HTTP/1.1\r\n"
                         "Host: api.example.com:8080\r\n\r\n");
}

static void
test_address(RelayFixture *f, gconstpointer data)
{
    f->options.tls = FALSE;
    f->options.host = "2001:db8::1";
    f->options.port = 80;
    client_says(f, "GET /a HTTP/1.1\r\nHost: [2001:DB8::1]\r\n\r\n");
    assert_server_got(f, "GET /a HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n");
}

static void
test_filter(RelayFixture *f, gconstpointer data)
{
    static const char *const methods[] = {"GET", NULL}, *const paths[] = {"/v1/", NULL};

    f->options.filter = http_filter_new(methods, paths, NULL);
    client_says(f, "GET /v1/x?q=/../ HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET /v1/x?q=/../ HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, OK);
    assert_client_got(f, OK);
    client_says(f, "GET /v1/../x HTTP/1.1\r\n" HOST "\r\n");
    assert_refused(f, 403, "the network's rules do not permit this method and path");
}

static void
test_filter_and_override(RelayFixture *f, gconstpointer data)
{
    static const char *const methods[] = {"POST", NULL};

    f->options.filter = http_filter_new(methods, NULL, NULL);
    client_says(f, "POST /v1 HTTP/1.1\r\n" HOST "X-HTTP-Method-Override: DELETE\r\n\r\n");
    assert_refused(f, 403, "the network's rules do not permit this method and path");
}

/* --- queues that are full --- */

/* A side that does not read stops the other one, and nothing is lost. */
static void
test_back_pressure(void)
{
    RelayFixture f = {0};
    g_autofree char *block = g_strnfill(50000, 'x');
    gsize sent = 0, got = 0;

    relay_set_up(&f, GSIZE_TO_POINTER(G_MAXSIZE));
    client_says(&f, GET);
    server_says(&f, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (bytes_room(&f.server_in) > 0) {
        gsize size = MIN(bytes_room(&f.server_in), 50000);
        bytes_put(&f.server_in, block, size);
        sent += size;
        http_relay_turn(f.relay);
    }
    g_assert_cmpuint(sent, <=, 2 * HTTP_RELAY_QUEUE_MIN);
    while (got < 1000000) {
        got += bytes_size(&f.client_out);
        bytes_consume(&f.client_out, bytes_size(&f.client_out));
        gsize size = MIN(MIN(bytes_room(&f.server_in), 50000), 1000000 - sent);
        bytes_put(&f.server_in, block, size);
        sent += size;
        http_relay_turn(f.relay);
    }
    g_assert_cmpuint(got, ==, 1000000);
    g_assert_cmpint(http_relay_state(f.relay), ==, HTTP_RELAY_HEAD);
    relay_tear_down(&f, NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_relay_test("/relay-ends/response-splitting", test_response_splitting);
    add_relay_test("/relay-ends/two-responses", test_two_responses);
    add_relay_test("/relay-ends/server-speaks-first", test_server_speaks_first);
    add_relay_test("/relay-ends/no-response", test_no_response);
    add_relay_test("/relay-ends/half-response", test_half_response);
    add_relay_test("/relay-ends/no-second-response", test_no_second_response);
    add_relay_test("/relay-ends/connect-failed", test_connect_failed);
    add_relay_test("/relay-ends/idle-server-closes", test_idle_server_closes);
    add_relay_test("/relay-ends/client-closes", test_client_closes);
    add_relay_test("/relay-ends/client-closes-in-head", test_client_closes_in_head);
    add_relay_test("/relay-ends/client-closes-in-body", test_client_closes_in_body);
    g_test_add("/relay-ends/unsent", RelayFixture, NULL, relay_set_up, test_unsent,
               relay_tear_down);
    add_relay_test("/relay-ends/freed", test_freed);
    add_relay_test("/relay-ends/port-and-proxy", test_port_and_proxy);
    add_relay_test("/relay-ends/address", test_address);
    add_relay_test("/relay-ends/filter", test_filter);
    add_relay_test("/relay-ends/filter-and-override", test_filter_and_override);
    g_test_add_func("/relay-ends/back-pressure", test_back_pressure);
    return g_test_run();
}
