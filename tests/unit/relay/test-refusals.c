/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-refusals: requests that are refused before the server gets anything, and responses. */
#include "relay-fixture.h"

#include <string.h>

#define HOST "Host: api.example.com\r\n"

typedef struct {
    const char *request; /* after which a good one follows, which must not be served */
    guint status;
    const char *reason;
} Case;

static const Case cases[] = {
    /* the request line */
    {"\r\n", 400, "the request line is malformed"},
    {"GET\r\n\r\n", 400, "the request line is malformed"},
    {"GET /\r\n\r\n", 400, "the request line is malformed"},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400, "the method is malformed"},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 400, "the method is malformed"},
    {"GE_T / HTTP/1.1\r\n" HOST "\r\n", 400, "the method is malformed"},
    {"CONNECT evil.example.net:443 HTTP/1.1\r\n" HOST "\r\n", 400,
     "the method CONNECT is not relayed"},
    {"CONNECT / HTTP/1.1\r\n" HOST "\r\n", 400, "the method CONNECT is not relayed"},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 400, "the method TRACE is not relayed"},
    {"PRI * HTTP/2.0\r\n\r\n", 400, "the target of the request does not begin with a slash"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request does not begin with a slash"},
    {"GET http://evil.example.net/ HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request does not begin with a slash"},
    {"GET http://api.example.com/ HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request does not begin with a slash"},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request does not begin with a slash"},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request has a forbidden character"},
    {"GET /\tHTTP/1.1 HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request has a forbidden character"},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request has a forbidden character"},
    {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400,
     "the target of the request has a forbidden character"},
    {"GET / HTTP/1.0\r\n" HOST "\r\n", 400, "the version is not HTTP/1.1"},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 400, "the version is not HTTP/1.1"},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 400, "the version is not HTTP/1.1"},
    {"GET / http/1.1\r\n" HOST "\r\n", 400, "the version is not HTTP/1.1"},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "the target of the request has a forbidden character"},
    {"GET / HTTP/01.1\r\n" HOST "\r\n", 400, "the version is not HTTP/1.1"},
    /* bytes */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400, "a line feed without a carriage return in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\nAuthorization: z\r\n\r\n", 400,
     "a line feed without a carriage return in the head"},
    {"GET / HTTP/1.1\r\n" HOST "\n", 400, "a line feed without a carriage return in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rAuthorization: z\r\n\r\n", 400,
     "a carriage return without a line feed in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", 400,
     "a carriage return without a line feed in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n", 400, "a control character in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7fz\r\n\r\n", 400, "a control character in the head"},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400, "a control character in the head"},
    {"\x16\x03\x01", 400, "a control character in the head"},
    /* lines and names */
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400, "a folded line in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb: c\r\n\r\n", 400, "a folded line in the head"},
    {"GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400, "a folded line in the head"},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400, "a line of the head has no colon"},
    {"GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400, "the name of a field is malformed"},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc", 400,
     "the name of a field is malformed"},
    {"GET / HTTP/1.1\r\n" HOST "X\t: 3\r\n\r\n", 400, "the name of a field is malformed"},
    {"GET / HTTP/1.1\r\n" HOST "X(a): 3\r\n\r\n", 400, "the name of a field is malformed"},
    {"GET / HTTP/1.1\r\n" HOST "\xc3\xa4: 3\r\n\r\n", 400, "the name of a field is malformed"},
    {"GET / HTTP/1.1\r\n" HOST "Content_Length: 3\r\n\r\n", 400,
     "the name of a field is spelled with an underscore"},
    {"GET / HTTP/1.1\r\n" HOST "Transfer_Encoding: chunked\r\n\r\n", 400,
     "the name of a field is spelled with an underscore"},
    /* Host */
    {"GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "more than one Host"},
    {"GET / HTTP/1.1\r\n" HOST "Host: evil.example.net\r\n\r\n", 400, "more than one Host"},
    {"GET / HTTP/1.1\r\n" HOST "host: evil.example.net\r\n\r\n", 400, "more than one Host"},
    {"GET / HTTP/1.1\r\nHost: evil.example.net\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 403, "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: api.example.com.\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: api.example.com:80\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: api.example.com:\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: api.example.com:0443\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: api.example.com, evil.example.net\r\n\r\n", 403,
     "Host is not the host of this connection"},
    {"GET / HTTP/1.1\r\nHost: a@api.example.com\r\n\r\n", 403,
     "Host is not the host of this connection"},
    /* lengths and codings */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
     400, "both Content-Length and Transfer-Encoding"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400,
     "both Content-Length and Transfer-Encoding"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 6\r\n\r\nabcdef", 400,
     "more than one Content-Length"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\nContent-Length: 6\r\n\r\nabcdef", 400,
     "more than one Content-Length"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0, 6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 6, 6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 6 6\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400, "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1234567890123456789\r\n\r\n", 400,
     "Content-Length is malformed"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 400,
     "Transfer-Encoding is not exactly \"chunked\""},
    {"POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, "more than one Transfer-Encoding"},
    /* what is for the next hop */
    {"GET / HTTP/1.1\r\n" HOST "Connection: authorization\r\n\r\n", 400,
     "Connection has an unknown option"},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close, host\r\n\r\n", 400,
     "Connection has an unknown option"},
    {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive,\r\n\r\n", 400,
     "Connection has an unknown option"},
    {"PUT / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 400,
     "Expect is not exactly \"100-continue\""},
    {"PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 400,
     "Expect is not exactly \"100-continue\""},
    /* placeholders */
    {"GET / HTTP/1.1\r\n" HOST "X: ${secret.none}\r\n\r\n", 403,
     "a placeholder names no secret that this request may contain"},
    {"GET / HTTP/1.1\r\n" HOST "X: ${secret.\r\n\r\n", 403,
     "a placeholder names no secret that this request may contain"},
    {"GET / HTTP/1.1\r\n" HOST "TE: ${secret.none}\r\n\r\n", 403,
     "a placeholder names no secret that this request may contain"},
};

static void
test_case(RelayFixture *f, gconstpointer data)
{
    const Case *c = data;

    f->piece = G_MAXSIZE;
    client_says(f, c->request);
    client_says(f, "GET /second HTTP/1.1\r\n" HOST "\r\n");
    assert_refused(f, c->status, c->reason);
    g_assert_false(http_relay_wants_server(f->relay));
}

static void
test_case_by_bytes(RelayFixture *f, gconstpointer data)
{
    f->piece = 1;
    client_says(f, ((const Case *)data)->request);
    client_says(f, "GET /second HTTP/1.1\r\n" HOST "\r\n");
    assert_refused(f, ((const Case *)data)->status, ((const Case *)data)->reason);
}

static void
test_nul(RelayFixture *f, gconstpointer data)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n";

    client_says_bytes(f, request, sizeof request - 1);
    assert_refused(f, 400, "a control character in the head");
}

/* --- bounds --- */

static char *
head_of_size(gsize size)
{
    GString *head = g_string_new("GET / HTTP/1.1\r\n" HOST "X: ");

    while (head->len < size - 4)
        g_string_append_c(head, 'x');
    g_string_append(head, "\r\n\r\n");
    return g_string_free(head, FALSE);
}

static void
test_longest_head(RelayFixture *f, gconstpointer data)
{
    g_autofree char *head = head_of_size(32768);

    client_says(f, head);
    assert_server_got(f, head);
}

static void
test_too_long_head(RelayFixture *f, gconstpointer data)
{
    g_autofree char *head = head_of_size(32769);

    client_says(f, head);
    assert_refused(f, 400, "the head is longer than 32 KiB");
}

static char *
head_of_fields(guint n)
{
    GString *head = g_string_new("GET / HTTP/1.1\r\n" HOST);

    for (guint i = 1; i < n; i++)
        g_string_append(head, "a: b\r\n");
    g_string_append(head, "\r\n");
    return g_string_free(head, FALSE);
}

static void
test_most_fields(RelayFixture *f, gconstpointer data)
{
    g_autofree char *head = head_of_fields(128);

    client_says(f, head);
    assert_server_got(f, head);
}

static void
test_too_many_fields(RelayFixture *f, gconstpointer data)
{
    g_autofree char *head = head_of_fields(129);

    client_says(f, head);
    assert_refused(f, 400, "the head has more than 128 fields");
}

static void
test_method_sizes(RelayFixture *f, gconstpointer data)
{
    g_autofree char *method = g_strnfill(32, 'M');
    g_autofree char *good = g_strdup_printf("%s / HTTP/1.1\r\n" HOST "\r\n", method);
    g_autofree char *wrong = g_strdup_printf("M%s", good);

    client_says(f, good);
    assert_server_got(f, good);
    server_says(f, "HTTP/1.1 204 \r\n\r\n");
    assert_client_got(f, "HTTP/1.1 204 \r\n\r\n");
    client_says(f, wrong);
    assert_refused(f, 400, "the method is malformed");
}

static void
test_longest_length(RelayFixture *f, gconstpointer data)
{
    client_says(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 123456789012345678\r\n\r\nabc");
    assert_server_got(f,
                      "POST / HTTP/1.1\r\n" HOST "Content-Length: 123456789012345678\r\n\r\nabc");
}

/* --- responses --- */

typedef struct {
    const char *response;
    const char *reason;
} ResponseCase;

static const ResponseCase responses[] = {
    {"HTTP/2 200 OK\r\n\r\n", "the status line is malformed"},
    {"HTTP/1.2 200 OK\r\n\r\n", "the status line is malformed"},
    {"ICY 200 OK\r\n\r\n", "the status line is malformed"},
    {"HTTP/1.1 20 OK\r\n\r\n", "the status line is malformed"},
    {"HTTP/1.1  200 OK\r\n\r\n", "the status line is malformed"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "the status line is malformed"},
    {"HTTP/1.1 099 OK\r\n\r\n", "the status is not between 100 and 599"},
    {"HTTP/1.1 600 OK\r\n\r\n", "the status is not between 100 and 599"},
    {"HTTP/1.1 200 OK\r\nSet-Cookie: a\nX: b\r\n\r\n",
     "a line feed without a carriage return in the head"},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "the name of a field is malformed"},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "a folded line in the head"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "both Content-Length and Transfer-Encoding"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
     "more than one Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "Content-Length is malformed"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "Transfer-Encoding is not exactly \"chunked\""},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"},
    {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "the server switched protocols without a request"},
    {"SSH-2.0-x\r\n\r\n", "the status line is malformed"},
    {"\x15\x03\x03", "a control character in the head"},
};

static void
test_response_case(RelayFixture *f, gconstpointer data)
{
    const ResponseCase *c = data;

    f->piece = 3;
    client_says(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, c->response);
    assert_refused(f, 502, c->reason);
    g_autofree char *line = g_strdup_printf("GET / 502 0 0: %s\n", c->reason);
    assert_log(f, line);
}

static void
add_cases(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/refusals/request-%u", i);
        g_autofree char *by_bytes = g_strdup_printf("/refusals/request-%u/by-bytes", i);
        g_test_add(name, RelayFixture, &cases[i], relay_set_up, test_case, relay_tear_down);
        g_test_add(by_bytes, RelayFixture, &cases[i], relay_set_up, test_case_by_bytes,
                   relay_tear_down);
    }
    for (guint i = 0; i < G_N_ELEMENTS(responses); i++) {
        g_autofree char *name = g_strdup_printf("/refusals/response-%u", i);
        g_test_add(name, RelayFixture, &responses[i], relay_set_up, test_response_case,
                   relay_tear_down);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_cases();
    add_relay_test("/refusals/nul", test_nul);
    add_relay_test("/refusals/longest-head", test_longest_head);
    add_relay_test("/refusals/too-long-head", test_too_long_head);
    add_relay_test("/refusals/most-fields", test_most_fields);
    add_relay_test("/refusals/too-many-fields", test_too_many_fields);
    add_relay_test("/refusals/method-sizes", test_method_sizes);
    add_relay_test("/refusals/longest-length", test_longest_length);
    return g_test_run();
}
