/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-intercept: connections with TLS on both sides, against clients and servers that use GnuTLS.
 */
#include "intercept.h"

#include <gnutls/x509.h>
#include <string.h>

#include "test-pki.h"
#include "tls-peer.h"

#define NAME "api.example.com"
#define GET "GET /a HTTP/1.1\r\nHost: " NAME "\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define VALUE "s3cr3t-s3cr3t-value"
#define SENT                                                                                       \
    "GET /a HTTP/1.1\r\nHost: " NAME                                                               \
    "\r\nAccept-Encoding: identity\r\nAuthorization: Bearer " VALUE "\r\n\r\n"

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
} Fixture;

static void
on_request(const HttpFacts *facts, gpointer data)
{
    Fixture *f = data;
    g_string_append_printf(f->log, "%s %s %u%s%s\n", facts->method, facts->path, facts->status,
                           facts->failure ? ": " : "", facts->failure ? facts->failure : "");
}

static void
set_up(Fixture *f, gconstpointer data)
{
    static const char *const hosts[] = {NAME, "other.example", NULL};

    f->piece = GPOINTER_TO_SIZE(data);
    f->pki = pki_new();
    f->authority = authority_new(hosts, NULL);
    f->trust = tls_trust_new(pki_pem(f->pki), NULL);
    f->secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    g_ptr_array_add(f->secrets, secret_new("token", "Authorization", "Bearer %s", VALUE,
                                           strlen(VALUE), NULL, NULL, NULL));
    f->log = g_string_new(NULL);
    f->intercept = intercept_new(&(InterceptOptions){.relay = {.host = NAME,
                                                               .port = 443,
                                                               .tls = TRUE,
                                                               .secrets = f->secrets,
                                                               .on_request = on_request,
                                                               .data = f},
                                                     .authority = f->authority,
                                                     .trust = f->trust});
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    intercept_free(f->intercept);
    if (f->guest)
        tls_peer_free(f->guest);
    if (f->server)
        tls_peer_free(f->server);
    else if (f->server_credentials)
        gnutls_certificate_free_credentials(f->server_credentials);
    g_ptr_array_unref(f->secrets);
    authority_unref(f->authority);
    tls_trust_unref(f->trust);
    pki_free(f->pki);
    g_string_free(f->log, TRUE);
}

/* Moves bytes, and the end. */
static gboolean
shovel(Bytes *from, Bytes *to, gsize piece)
{
    gboolean moved = bytes_move(from, to, piece) > 0;

    if (!bytes_at_end(from) || to->ended)
        return moved;
    to->ended = TRUE;
    return TRUE;
}

static void
connect_if_wanted(Fixture *f)
{
    if (f->server || !f->server_credentials || !intercept_wants_upstream(f->intercept))
        return;
    f->server = tls_peer_new_server(f->server_credentials, f->server_priority, f->server_protocols);
}

static void
run(Fixture *f)
{
    gboolean moved = TRUE;

    while (moved) {
        f->state = intercept_turn(f->intercept);
        connect_if_wanted(f);
        moved = shovel(intercept_guest_out(f->intercept), &f->guest->in, f->piece);
        moved = tls_peer_turn(f->guest) || moved;
        moved = shovel(&f->guest->out, intercept_guest_in(f->intercept), f->piece) || moved;
        if (!f->server)
            continue;
        moved = shovel(intercept_upstream_out(f->intercept), &f->server->in, f->piece) || moved;
        moved = tls_peer_turn(f->server) || moved;
        moved = shovel(&f->server->out, intercept_upstream_in(f->intercept), f->piece) || moved;
    }
}

static void
say(Fixture *f, TlsPeer *peer, const char *text)
{
    g_string_append(peer->to_send, text);
    run(f);
}

static void
begin(Fixture *f, const char *priority, PkiFlaw flaw)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority), priority, "h2,http/1.1");
    f->server_credentials = pki_issue(f->pki, NAME, flaw);
}

static void
assert_got(TlsPeer *peer, const char *text)
{
    g_assert_cmpstr(peer->got->str, ==, text);
    g_string_truncate(peer->got, 0);
}

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
check_good(Fixture *f)
{
    say(f, f->guest, GET);
    g_assert_true(f->guest->is_open);
    g_assert_true(f->server->is_open);
    assert_got(f->server, SENT);
    say(f, f->server, OK);
    assert_got(f->guest, OK);
    g_assert_cmpint(f->state, ==, INTERCEPT_HEAD);
    g_assert_true(intercept_is_idle(f->intercept));
    say(f, f->guest, GET);
    assert_got(f->server, SENT);
    g_assert_cmpint(f->state, ==, INTERCEPT_EXCHANGE);
    say(f, f->server, OK);
    assert_got(f->guest, OK);
    g_assert_cmpstr(f->log->str, ==, "GET /a 200\nGET /a 200\n");
}

static void
test_good(Fixture *f, gconstpointer data)
{
    char name[256];
    size_t size = sizeof name;
    guint type;

    begin(f, NULL, PKI_GOOD);
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
test_tls_1_2(Fixture *f, gconstpointer data)
{
    begin(f, "NORMAL:-VERS-ALL:+VERS-TLS1.2", PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    check_good(f);
    g_assert_cmpint(gnutls_protocol_get_version(f->guest->session), ==, GNUTLS_TLS1_2);
    g_assert_cmpint(gnutls_protocol_get_version(f->server->session), ==, GNUTLS_TLS1_2);
    g_assert_false(gnutls_session_get_flags(f->guest->session) & GNUTLS_SFLAGS_SESSION_TICKET);
}

static void
test_ends(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    say(f, f->guest, "GET /a HTTP/1.1\r\nHost: " NAME "\r\nConnection: close\r\n\r\n");
    say(f, f->server, OK);
    assert_got(f->guest, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    g_assert_true(f->guest->has_end);
    g_assert_true(f->server->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

/* Bodies that are larger than all queues, in both directions. */
static void
test_large_bodies(Fixture *f, gconstpointer data)
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
    begin(f, NULL, PKI_GOOD);
    f->piece = 20000;
    say(f, f->guest, head);
    g_string_truncate(f->server->got, 0);
    say(f, f->guest, body);
    assert_got(f->server, body);
    say(f, f->server, response);
    assert_got(f->guest, response);
    say(f, f->server, body);
    assert_got(f->guest, body);
    g_assert_cmpint(f->state, ==, INTERCEPT_HEAD);
}

/* --- servers that are not verified get nothing --- */

static void
check_unverified(Fixture *f, const char *reason)
{
    g_autofree char *line = g_strdup_printf("cloche: %s\n", reason);

    say(f, f->guest, GET);
    g_assert_true(g_str_has_prefix(f->guest->got->str, "HTTP/1.1 502 Bad Gateway\r\n"));
    g_assert_cmpstr(strstr(f->guest->got->str, "cloche: "), ==, line);
    g_assert_true(f->guest->has_end);
    g_assert_cmpstr(f->server->got->str, ==, "");
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, reason);
    g_autofree char *log = g_strdup_printf("GET /a 502: %s\n", reason);
    g_assert_cmpstr(f->log->str, ==, log);
}

static void
test_expired(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_EXPIRED);
    check_unverified(f, "the server's certificate has expired");
}

static void
test_not_yet(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_NOT_YET);
    check_unverified(f, "the server's certificate is not valid yet");
}

static void
test_self_signed(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_SELF_SIGNED);
    check_unverified(f, "the server's certificate is from an unknown authority");
}

static void
test_for_clients(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_FOR_CLIENTS);
    check_unverified(f, "the server's certificate is for another purpose");
}

static void
test_unknown_authority(Fixture *f, gconstpointer data)
{
    Pki *other = pki_new();

    begin(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(other, NAME, PKI_GOOD);
    check_unverified(f, "the server's certificate is from an unknown authority");
    pki_free(other);
}

/* An authority that only has the name of a trusted one. */
static void
test_forged_authority(Fixture *f, gconstpointer data)
{
    Pki *forged = pki_new_named(pki_name(f->pki));

    begin(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(forged, NAME, PKI_GOOD);
    check_unverified(f, "the server's certificate has a wrong signature");
    pki_free(forged);
}

static void
check_other_name(Fixture *f, const char *name)
{
    begin(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(f->pki, name, PKI_GOOD);
    check_unverified(f, "the server's certificate is for another name");
}

static void
test_other_name(Fixture *f, gconstpointer data)
{
    check_other_name(f, "evil.example.net");
}

static void
test_name_above(Fixture *f, gconstpointer data)
{
    check_other_name(f, "example.com");
}

/* The guest's authority is no authority for servers. */
static void
test_own_leaf_as_server(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = NULL;
    g_autoptr(AuthorityLeaf) leaf = authority_leaf(f->authority, NAME, time(NULL), NULL);
    gnutls_x509_crt_t *chain;
    gnutls_x509_privkey_t key;
    guint n;
    gnutls_certificate_credentials_t from = authority_leaf_credentials(leaf);
    g_assert_cmpint(gnutls_certificate_get_x509_crt(from, 0, &chain, &n), ==, 0);
    g_assert_cmpint(gnutls_certificate_get_x509_key(from, 0, &key), ==, 0);
    g_assert_cmpint(gnutls_certificate_allocate_credentials(&f->server_credentials), ==, 0);
    gnutls_certificate_set_x509_key(f->server_credentials, chain, (int)n, key);
    for (guint i = 0; i < n; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    gnutls_x509_privkey_deinit(key);
    check_unverified(f, "the server's certificate is from an unknown authority");
}

static void
test_old_server(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1";
    check_unverified(f, "the other side does not support TLS 1.2 or later");
}

static void
test_connect_failed(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = NULL;
    say(f, f->guest, GET);
    g_assert_true(intercept_wants_upstream(f->intercept));
    g_assert_cmpint(f->state, ==, INTERCEPT_GREETING);
    intercept_upstream_failed(f->intercept, "the connection was refused");
    run(f);
    g_assert_true(g_str_has_suffix(f->guest->got->str, "cloche: the connection was refused\n"));
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

/* --- the server ends --- */

static void
test_truncated(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    say(f, f->guest, GET);
    say(f, f->server, "HTTP/1.1 200 OK\r\n\r\nsome text");
    f->server->out.ended = TRUE; /* without close_notify */
    run(f);
    assert_got(f->guest, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    g_assert_false(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_BROKEN);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the connection ended within TLS");
}

static void
test_until_close(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    say(f, f->guest, GET);
    say(f, f->server, "HTTP/1.1 200 OK\r\n\r\nsome text");
    tls_peer_close(f->server);
    run(f);
    assert_got(f->guest, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    g_assert_true(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

static void
test_secret_found(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    say(f, f->guest, GET);
    say(f, f->server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\necho: " VALUE);
    g_assert_null(strstr(f->guest->got->str, "s3cr3t"));
    g_assert_false(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_BROKEN);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the response contains a secret");
}

static void
test_server_renegotiates(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    say(f, f->guest, GET);
    gnutls_rehandshake(f->server->session);
    run(f);
    g_assert_nonnull(strstr(f->guest->got->str, "cloche: TLS renegotiation is not supported\n"));
}

/* --- guests --- */

static void
check_refused_hello(Fixture *f, int alert, const char *reason)
{
    run(f);
    g_assert_cmpint(f->guest->alert, ==, alert);
    g_assert_false(intercept_wants_upstream(f->intercept));
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, reason);
}

static void
test_other_sni(Fixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client("other.example", authority_pem(f->authority), NULL, NULL);
    check_refused_hello(f, GNUTLS_A_UNRECOGNIZED_NAME, "the ClientHello names another server");
}

static void
test_no_sni(Fixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NULL, authority_pem(f->authority), NULL, NULL);
    check_refused_hello(f, GNUTLS_A_UNRECOGNIZED_NAME, "the ClientHello names no server");
}

static void
test_not_tls(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    bytes_put(intercept_guest_in(f->intercept), GET, strlen(GET));
    f->state = intercept_turn(f->intercept);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the connection does not begin with TLS");
    g_assert_true(bytes_at_end(intercept_guest_out(f->intercept)));
}

static void
test_guest_without_trust(Fixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, pki_pem(f->pki), NULL, NULL);
    f->server_credentials = pki_issue(f->pki, NAME, PKI_GOOD);
    run(f);
    g_assert_cmpint(f->guest->error, ==, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_cmpstr(intercept_failure(f->intercept), ==,
                    "the guest's program has refused the TLS connection");
    g_assert_cmpstr(f->server->got->str, ==, "");
}

static void
test_guest_with_h2_only(Fixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority), NULL, "h2");
    run(f);
    g_assert_cmpint(f->guest->alert, ==, GNUTLS_A_NO_APPLICATION_PROTOCOL);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

static void
test_old_guest(Fixture *f, gconstpointer data)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority),
                                   "NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL);
    run(f);
    g_assert_cmpint(f->guest->alert, ==, GNUTLS_A_PROTOCOL_VERSION);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

static void
test_guest_renegotiates(Fixture *f, gconstpointer data)
{
    begin(f, "NORMAL:-VERS-ALL:+VERS-TLS1.2", PKI_GOOD);
    say(f, f->guest, GET);
    say(f, f->server, OK);
    gnutls_handshake(f->guest->session);
    f->state = INTERCEPT_HEAD;
    while (shovel(&f->guest->out, intercept_guest_in(f->intercept), f->piece))
        f->state = intercept_turn(f->intercept);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

/* Programs end without closing TLS. */
static void
test_guest_just_ends(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
    say(f, f->guest, GET);
    say(f, f->server, OK);
    f->guest->out.ended = TRUE;
    run(f);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

/* Every byte of a connection damaged, one at a time: no secret leaves, and nothing hangs on. */
static void
test_damaged_hello(Fixture *f, gconstpointer data)
{
    begin(f, NULL, PKI_GOOD);
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

typedef void (*TestFunction)(Fixture *f, gconstpointer data);

static void
add(const char *name, TestFunction test)
{
    g_autofree char *path = g_strdup_printf("/intercept/%s", name);
    g_autofree char *by_bytes = g_strdup_printf("/intercept/%s/by-bytes", name);

    g_test_add(path, Fixture, GSIZE_TO_POINTER(G_MAXSIZE), set_up, test, tear_down);
    g_test_add(by_bytes, Fixture, GSIZE_TO_POINTER(1), set_up, test, tear_down);
}

static void
add_tests_of_servers(void)
{
    add("expired", test_expired);
    add("not-yet", test_not_yet);
    add("self-signed", test_self_signed);
    add("for-clients", test_for_clients);
    add("unknown-authority", test_unknown_authority);
    add("forged-authority", test_forged_authority);
    add("other-name", test_other_name);
    add("name-above", test_name_above);
    add("own-leaf-as-server", test_own_leaf_as_server);
    add("old-server", test_old_server);
    add("connect-failed", test_connect_failed);
    add("truncated", test_truncated);
    add("until-close", test_until_close);
    add("secret-found", test_secret_found);
    add("server-renegotiates", test_server_renegotiates);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("good", test_good);
    add("tls-1.2", test_tls_1_2);
    add("ends", test_ends);
    add("large-bodies", test_large_bodies);
    add_tests_of_servers();
    add("other-sni", test_other_sni);
    add("no-sni", test_no_sni);
    add("not-tls", test_not_tls);
    add("guest-without-trust", test_guest_without_trust);
    add("guest-with-h2-only", test_guest_with_h2_only);
    add("old-guest", test_old_guest);
    add("guest-renegotiates", test_guest_renegotiates);
    add("guest-just-ends", test_guest_just_ends);
    add("damaged-hello", test_damaged_hello);
    g_test_add_func("/intercept/plain", test_plain);
    g_test_add_func("/intercept/plain-fronting", test_plain_fronting);
    return g_test_run();
}
