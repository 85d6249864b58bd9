/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-intercept: connections with TLS on both sides, and guests that are refused. */
#include "intercept-fixture.h"

#include <string.h>

#define SENT                                                                                       \
    "GET /a HTTP/1.1\r\nHost: " NAME                                                               \
    "\r\nAccept-Encoding: identity\r\nAuthorization: Bearer " VALUE "\r\n\r\n"

static void
assert_protocol(const TlsPeer *peer, const char *protocol)
{
    gnutls_datum_t chosen = {0};

    gnutls_alpn_get_selected_protocol(peer->session, &chosen);
    g_autofree char *found = g_strndup((const char *)chosen.data, chosen.size);
    g_assert_cmpstr(found, ==, protocol);
}

/* --- what works --- */

static void
check_good(InterceptFixture *f)
{
    peer_says(f, f->guest, GET);
    g_assert_true(f->guest->is_open);
    g_assert_true(f->server->is_open);
    assert_peer_got(f->server, SENT);
    peer_says(f, f->server, OK);
    assert_peer_got(f->guest, OK);
    g_assert_cmpint(f->state, ==, INTERCEPT_HEAD);
    g_assert_true(intercept_is_idle(f->intercept));
    peer_says(f, f->guest, GET);
    assert_peer_got(f->server, SENT);
    g_assert_cmpint(f->state, ==, INTERCEPT_EXCHANGE);
    peer_says(f, f->server, OK);
    assert_peer_got(f->guest, OK);
    g_assert_cmpstr(f->log->str, ==, "GET /a 200\nGET /a 200\n");
}

static void
test_good(InterceptFixture *f, gconstpointer data)
{
    char name[256];
    size_t size = sizeof name;
    guint type;

    begin_intercept(f, NULL, PKI_GOOD);
    f->server_protocols = "http/1.1";
    check_good(f);
    assert_protocol(f->guest, "http/1.1");
    assert_protocol(f->server, "http/1.1");
    g_assert_cmpint(gnutls_protocol_get_version(f->guest->session), ==, GNUTLS_TLS1_3);
    g_assert_cmpint(gnutls_protocol_get_version(f->server->session), ==, GNUTLS_TLS1_3);
    g_assert_cmpint(gnutls_server_name_get(f->server->session, name, &size, &type, 0), ==, 0);
    g_assert_cmpstr(name, ==, NAME);
    g_assert_false(gnutls_session_get_flags(f->guest->session) & GNUTLS_SFLAGS_SESSION_TICKET);
}

static void
test_tls_1_2(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, "NORMAL:-VERS-ALL:+VERS-TLS1.2", PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    check_good(f);
    g_assert_cmpint(gnutls_protocol_get_version(f->guest->session), ==, GNUTLS_TLS1_2);
    g_assert_cmpint(gnutls_protocol_get_version(f->server->session), ==, GNUTLS_TLS1_2);
    g_assert_false(gnutls_session_get_flags(f->guest->session) & GNUTLS_SFLAGS_SESSION_TICKET);
}

static void
test_ends(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    peer_says(f, f->guest, "GET /a HTTP/1.1\r\nHost: " NAME "\r\nConnection: close\r\n\r\n");
    peer_says(f, f->server, OK);
    assert_peer_got(f->guest,
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    g_assert_true(f->guest->has_end);
    g_assert_true(f->server->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

/* Bodies that are larger than all queues, in both directions. */
static void
test_large_bodies(InterceptFixture *f, gconstpointer data)
{
    const gsize size = 300000;
    g_autofree char *body = g_malloc(size + 1);
    g_autofree char *head =
        g_strdup_printf("POST / HTTP/1.1\r\nHost: " NAME "\r\nContent-Length: %zu\r\n\r\n", size);
    g_autofree char *response =
        g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);

    for (gsize i = 0; i < size; i++)
        body[i] = (char)('a' + i % 23);
    body[size] = '\0';
    begin_intercept(f, NULL, PKI_GOOD);
    f->piece = 20000;
    peer_says(f, f->guest, head);
    g_string_truncate(f->server->got, 0);
    peer_says(f, f->guest, body);
    assert_peer_got(f->server, body);
    peer_says(f, f->server, response);
    assert_peer_got(f->guest, response);
    peer_says(f, f->server, body);
    assert_peer_got(f->guest, body);
    g_assert_cmpint(f->state, ==, INTERCEPT_HEAD);
}

/* --- guests --- */

static void
check_refused_hello(InterceptFixture *f, int alert, const char *reason)
{
    run_intercept(f);
    g_assert_cmpint(f->guest->alert, ==, alert);
    g_assert_false(intercept_wants_upstream(f->intercept));
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, reason);
}

static void
test_other_sni(InterceptFixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client("other.example", authority_pem(f->authority), NULL, NULL);
    check_refused_hello(f, GNUTLS_A_UNRECOGNIZED_NAME, "the ClientHello names another server");
}

static void
test_no_sni(InterceptFixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NULL, authority_pem(f->authority), NULL, NULL);
    check_refused_hello(f, GNUTLS_A_UNRECOGNIZED_NAME, "the ClientHello names no server");
}

static void
test_not_tls(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    bytes_put(intercept_guest_in(f->intercept), GET, strlen(GET));
    f->state = intercept_turn(f->intercept);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the connection does not begin with TLS");
    g_assert_true(bytes_at_end(intercept_guest_out(f->intercept)));
}

static void
test_guest_without_trust(InterceptFixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, pki_pem(f->pki), NULL, NULL);
    f->server_credentials = pki_issue(f->pki, NAME, PKI_GOOD);
    run_intercept(f);
    g_assert_cmpint(f->guest->error, ==, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==,
                    "the guest's program has refused the TLS connection");
    g_assert_cmpstr(f->server->got->str, ==, "");
}

static void
test_guest_with_h2_only(InterceptFixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority), NULL, "h2");
    run_intercept(f);
    g_assert_cmpint(f->guest->alert, ==, GNUTLS_A_NO_APPLICATION_PROTOCOL);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

static void
test_old_guest(InterceptFixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority),
                                   "NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL);
    run_intercept(f);
    g_assert_cmpint(f->guest->alert, ==, GNUTLS_A_PROTOCOL_VERSION);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

static void
test_guest_renegotiates(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, "NORMAL:-VERS-ALL:+VERS-TLS1.2", PKI_GOOD);
    peer_says(f, f->guest, GET);
    peer_says(f, f->server, OK);
    gnutls_handshake(f->guest->session);
    f->state = INTERCEPT_HEAD;
    while (shovel(&f->guest->out, intercept_guest_in(f->intercept), f->piece))
        f->state = intercept_turn(f->intercept);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

/* Programs end without closing TLS. */
static void
test_guest_just_ends(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    peer_says(f, f->guest, GET);
    peer_says(f, f->server, OK);
    f->guest->out.ended = TRUE;
    run_intercept(f);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

/* Every byte of a connection damaged, one at a time: no secret leaves, and nothing hangs on. */
static void
test_damaged_hello(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    tls_peer_turn(f->guest);
    gsize size = bytes_size(&f->guest->out);
    g_autofree guint8 *hello = g_memdup2(bytes_peek(&f->guest->out), size);

    for (gsize i = 0; i < size; i++) {
        g_autoptr(Intercept) intercept =
            intercept_new(&(InterceptOptions){.relay = {.host = NAME, .port = 443, .tls = TRUE},
                                              .authority = f->authority,
                                              .trust = f->trust});
        hello[i] ^= 0x55;
        bytes_put(intercept_guest_in(intercept), hello, size);
        intercept_guest_in(intercept)->ended = TRUE;
        hello[i] ^= 0x55;
        g_assert_cmpint(intercept_turn(intercept), ==, INTERCEPT_ENDED);
    }
}

/* --- without TLS --- */

static void
test_plain(void)
{
    g_autoptr(Intercept) intercept =
        intercept_new(&(InterceptOptions){.relay = {.host = NAME, .port = 80}});
    Bytes *in = intercept_guest_in(intercept), *out = intercept_upstream_out(intercept);

    g_assert_cmpint(intercept_turn(intercept), ==, INTERCEPT_HEAD);
    g_assert_false(intercept_wants_upstream(intercept));
    bytes_put(in, GET, strlen(GET));
    g_assert_cmpint(intercept_turn(intercept), ==, INTERCEPT_EXCHANGE);
    g_assert_true(intercept_wants_upstream(intercept));
    g_assert_cmpmem(bytes_peek(out), bytes_size(out), GET, strlen(GET));
    bytes_consume(out, bytes_size(out));
    bytes_put(intercept_upstream_in(intercept), OK, strlen(OK));
    g_assert_cmpint(intercept_turn(intercept), ==, INTERCEPT_HEAD);
    g_assert_cmpmem(bytes_peek(intercept_guest_out(intercept)),
                    bytes_size(intercept_guest_out(intercept)), OK, strlen(OK));
}

/* The memory of a connection that waits for its response. */
static void
test_trim(void)
{
    g_autoptr(Intercept) intercept =
        intercept_new(&(InterceptOptions){.relay = {.host = NAME, .port = 80}});
    Bytes *out = intercept_upstream_out(intercept);

    bytes_put(intercept_guest_in(intercept), GET, strlen(GET));
    intercept_turn(intercept);
    intercept_trim(intercept);
    g_assert_null(intercept_guest_in(intercept)->data);
    g_assert_cmpmem(bytes_peek(out), bytes_size(out), GET, strlen(GET));
    bytes_consume(out, bytes_size(out));
    intercept_trim(intercept);
    g_assert_null(out->data);
}

static void
test_plain_fronting(void)
{
    g_autoptr(Intercept) intercept =
        intercept_new(&(InterceptOptions){.relay = {.host = "a.example", .port = 80}});

    bytes_put(intercept_guest_in(intercept), GET, strlen(GET));
    g_assert_cmpint(intercept_turn(intercept), ==, INTERCEPT_ENDED);
    g_assert_false(intercept_wants_upstream(intercept));
    g_assert_true(g_str_has_prefix((const char *)bytes_peek(intercept_guest_out(intercept)),
                                   "HTTP/1.1 403 Forbidden\r\n"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_intercept_test("good", test_good);
    add_intercept_test("tls-1.2", test_tls_1_2);
    add_intercept_test("ends", test_ends);
    add_intercept_test("large-bodies", test_large_bodies);
    add_intercept_test("other-sni", test_other_sni);
    add_intercept_test("no-sni", test_no_sni);
    add_intercept_test("not-tls", test_not_tls);
    add_intercept_test("guest-without-trust", test_guest_without_trust);
    add_intercept_test("guest-with-h2-only", test_guest_with_h2_only);
    add_intercept_test("old-guest", test_old_guest);
    add_intercept_test("guest-renegotiates", test_guest_renegotiates);
    add_intercept_test("guest-just-ends", test_guest_just_ends);
    add_intercept_test("damaged-hello", test_damaged_hello);
    g_test_add_func("/intercept/plain", test_plain);
    g_test_add_func("/intercept/trim", test_trim);
    g_test_add_func("/intercept/plain-fronting", test_plain_fronting);
    return g_test_run();
}
