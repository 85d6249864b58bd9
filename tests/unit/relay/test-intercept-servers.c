/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-intercept-servers: servers that are not verified get nothing, and how servers end. */
#include "intercept-fixture.h"

#include <gnutls/x509.h>
#include <string.h>

static void
check_unverified(InterceptFixture *f, const char *reason)
{
    g_autofree char *line = g_strdup_printf("cloche: %s\n", reason);

    peer_says(f, f->guest, GET);
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
test_expired(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_EXPIRED);
    check_unverified(f, "the server's certificate has expired");
}

static void
test_not_yet(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_NOT_YET);
    check_unverified(f, "the server's certificate is not valid yet");
}

static void
test_self_signed(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_SELF_SIGNED);
    check_unverified(f, "the server's certificate is from an unknown authority");
}

static void
test_for_clients(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_FOR_CLIENTS);
    check_unverified(f, "the server's certificate is for another purpose");
}

static void
test_unknown_authority(InterceptFixture *f, gconstpointer data)
{
    Pki *other = pki_new();

    begin_intercept(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(other, NAME, PKI_GOOD);
    check_unverified(f, "the server's certificate is from an unknown authority");
    pki_free(other);
}

/* An authority that only has the name of a trusted one. */
static void
test_forged_authority(InterceptFixture *f, gconstpointer data)
{
    Pki *forged = pki_new_named(pki_name(f->pki));

    begin_intercept(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(forged, NAME, PKI_GOOD);
    check_unverified(f, "the server's certificate has a wrong signature");
    pki_free(forged);
}

static void
check_other_name(InterceptFixture *f, const char *name)
{
    begin_intercept(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = pki_issue(f->pki, name, PKI_GOOD);
    check_unverified(f, "the server's certificate is for another name");
}

static void
test_other_name(InterceptFixture *f, gconstpointer data)
{
    check_other_name(f, "evil.example.net");
}

static void
test_name_above(InterceptFixture *f, gconstpointer data)
{
    check_other_name(f, "example.com");
}

/* The guest's authority is no authority for servers. */
static void
test_own_leaf_as_server(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
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
test_old_server(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1";
    check_unverified(f, "the other side does not support TLS 1.2 or later");
}

static void
test_connect_failed(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    gnutls_certificate_free_credentials(f->server_credentials);
    f->server_credentials = NULL;
    peer_says(f, f->guest, GET);
    g_assert_true(intercept_wants_upstream(f->intercept));
    g_assert_cmpint(f->state, ==, INTERCEPT_GREETING);
    intercept_upstream_failed(f->intercept, "the connection was refused");
    run_intercept(f);
    g_assert_true(g_str_has_suffix(f->guest->got->str, "cloche: the connection was refused\n"));
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
}

/* --- the server ends --- */

static void
test_truncated(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    peer_says(f, f->guest, GET);
    peer_says(f, f->server, "HTTP/1.1 200 OK\r\n\r\nsome text");
    f->server->out.ended = TRUE; /* without close_notify */
    run_intercept(f);
    assert_peer_got(f->guest, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    g_assert_false(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_BROKEN);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the connection ended within TLS");
}

static void
test_until_close(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    peer_says(f, f->guest, GET);
    peer_says(f, f->server, "HTTP/1.1 200 OK\r\n\r\nsome text");
    tls_peer_close(f->server);
    run_intercept(f);
    assert_peer_got(f->guest, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome text");
    g_assert_true(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_ENDED);
    g_assert_null(intercept_failure(f->intercept));
}

static void
test_secret_found(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    peer_says(f, f->guest, GET);
    peer_says(f, f->server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\necho: " VALUE);
    g_assert_null(strstr(f->guest->got->str, "s3cr3t"));
    g_assert_false(f->guest->has_end);
    g_assert_cmpint(f->state, ==, INTERCEPT_BROKEN);
    g_assert_cmpstr(intercept_failure(f->intercept), ==, "the response contains a secret");
}

static void
test_server_renegotiates(InterceptFixture *f, gconstpointer data)
{
    begin_intercept(f, NULL, PKI_GOOD);
    f->server_priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    peer_says(f, f->guest, GET);
    gnutls_rehandshake(f->server->session);
    run_intercept(f);
    g_assert_nonnull(strstr(f->guest->got->str, "cloche: TLS renegotiation is not supported\n"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_intercept_test("expired", test_expired);
    add_intercept_test("not-yet", test_not_yet);
    add_intercept_test("self-signed", test_self_signed);
    add_intercept_test("for-clients", test_for_clients);
    add_intercept_test("unknown-authority", test_unknown_authority);
    add_intercept_test("forged-authority", test_forged_authority);
    add_intercept_test("other-name", test_other_name);
    add_intercept_test("name-above", test_name_above);
    add_intercept_test("own-leaf-as-server", test_own_leaf_as_server);
    add_intercept_test("old-server", test_old_server);
    add_intercept_test("connect-failed", test_connect_failed);
    add_intercept_test("truncated", test_truncated);
    add_intercept_test("until-close", test_until_close);
    add_intercept_test("secret-found", test_secret_found);
    add_intercept_test("server-renegotiates", test_server_renegotiates);
    return g_test_run();
}
