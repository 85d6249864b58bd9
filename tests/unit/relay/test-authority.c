/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-authority: the certificates of a sandbox. What clients make of them is in test-clients.py.
 */
#include "authority.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "error.h"

#define DAY_S (24 * 60 * 60)

static const char *const hosts[] = {"api.example.com", "other.example", NULL};

static gnutls_x509_crt_t
read_pem(const char *pem)
{
    gnutls_datum_t data = {(guint8 *)pem, (guint)strlen(pem)};
    gnutls_x509_crt_t crt;

    g_assert_cmpint(gnutls_x509_crt_init(&crt), ==, 0);
    g_assert_cmpint(gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM), ==, 0);
    return crt;
}

static gnutls_x509_crt_t
certificate_of(const AuthorityLeaf *leaf)
{
    gnutls_x509_crt_t *chain;
    guint n;

    g_assert_cmpint(
        gnutls_certificate_get_x509_crt(authority_leaf_credentials(leaf), 0, &chain, &n), ==, 0);
    g_assert_cmpuint(n, ==, 1);
    gnutls_x509_crt_t crt = chain[0];
    gnutls_free(chain);
    return crt;
}

static guint
verify(const Authority *authority, gnutls_x509_crt_t leaf, const char *host)
{
    gnutls_x509_trust_list_t trust;
    gnutls_x509_crt_t ca = read_pem(authority_pem(authority));
    gnutls_typed_vdata_st data[] = {
        {GNUTLS_DT_DNS_HOSTNAME, (guint8 *)host, 0},
        {GNUTLS_DT_KEY_PURPOSE_OID, (guint8 *)GNUTLS_KP_TLS_WWW_SERVER, 0}};
    guint status = 0;

    g_assert_cmpint(gnutls_x509_trust_list_init(&trust, 0), ==, 0);
    g_assert_cmpint(gnutls_x509_trust_list_add_cas(trust, &ca, 1, 0), ==, 1);
    g_assert_cmpint(gnutls_x509_trust_list_verify_crt2(trust, &leaf, 1, data, 2, 0, &status, NULL),
                    ==, 0);
    gnutls_x509_trust_list_deinit(trust, 1);
    return status;
}

static void
test_ca(void)
{
    g_autoptr(Authority) authority = authority_new(hosts, NULL);
    gnutls_x509_crt_t ca = read_pem(authority_pem(authority));
    time_t now = time(NULL);
    guint is_critical, is_ca;
    int path_length;

    g_assert_cmpint(gnutls_x509_crt_get_basic_constraints(ca, &is_critical, &is_ca, &path_length),
                    ==, 1);
    g_assert_true(is_critical);
    g_assert_cmpint(path_length, ==, 0);
    g_assert_cmpint(gnutls_x509_crt_get_activation_time(ca), <=, now - DAY_S);
    g_assert_cmpint(gnutls_x509_crt_get_expiration_time(ca), >, now + 3600 * (gint64)DAY_S);
    gnutls_x509_crt_deinit(ca);
}

static void
assert_constraint(gnutls_x509_name_constraints_t constraints, guint type, gconstpointer data,
                  gsize size, gboolean is_permitted)
{
    gnutls_datum_t name = {(guint8 *)data, (guint)size};
    g_assert_cmpint(gnutls_x509_name_constraints_check(constraints, type, &name) != 0, ==,
                    is_permitted);
}

static void
test_constraints(void)
{
    g_autoptr(Authority) authority = authority_new(hosts, NULL);
    gnutls_x509_crt_t ca = read_pem(authority_pem(authority));
    gnutls_x509_name_constraints_t constraints;
    guint is_critical;

    g_assert_cmpint(gnutls_x509_name_constraints_init(&constraints), ==, 0);
    g_assert_cmpint(gnutls_x509_crt_get_name_constraints(ca, constraints, 0, &is_critical), ==, 0);
    g_assert_true(is_critical);
    assert_constraint(constraints, GNUTLS_SAN_DNSNAME, "api.example.com", 15, TRUE);
    assert_constraint(constraints, GNUTLS_SAN_DNSNAME, "other.example", 13, TRUE);
    assert_constraint(constraints, GNUTLS_SAN_DNSNAME, "example.com", 11, FALSE);
    assert_constraint(constraints, GNUTLS_SAN_DNSNAME, "evil.example.net", 16, FALSE);
    assert_constraint(constraints, GNUTLS_SAN_IPADDRESS, "\x0a\x09\x09\x09", 4, FALSE);
    gnutls_x509_name_constraints_deinit(constraints);
    gnutls_x509_crt_deinit(ca);
}

static void
test_leaf(void)
{
    g_autoptr(Authority) authority = authority_new(hosts, NULL);
    g_autoptr(AuthorityLeaf) leaf = authority_leaf(authority, "api.example.com", time(NULL), NULL);
    gnutls_x509_crt_t crt = certificate_of(leaf);

    g_assert_cmpuint(verify(authority, crt, "api.example.com"), ==, 0);
    g_assert_cmpuint(verify(authority, crt, "other.example"), !=, 0);
    g_autoptr(Authority) other = authority_new(hosts, NULL);
    g_assert_cmpuint(verify(other, crt, "api.example.com"), !=, 0);
    gnutls_x509_crt_deinit(crt);
}

static void
test_permitted_names(void)
{
    g_autoptr(Authority) authority = authority_new(hosts, NULL), open = authority_new(NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(authority_permits(authority, "api.example.com"));
    g_assert_true(authority_permits(authority, "a.api.example.com"));
    g_assert_false(authority_permits(authority, "xapi.example.com"));
    g_assert_false(authority_permits(authority, "example.com"));
    g_assert_false(authority_permits(authority, "api.example.com.evil.net"));
    g_assert_true(authority_permits(open, "evil.example.net"));
    g_assert_null(authority_leaf(authority, "evil.example.net", time(NULL), &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_autoptr(AuthorityLeaf) leaf = authority_leaf(open, "evil.example.net", time(NULL), NULL);
    gnutls_x509_crt_t crt = certificate_of(leaf);
    g_assert_cmpuint(verify(open, crt, "evil.example.net"), ==, 0);
    gnutls_x509_crt_deinit(crt);
}

static void
test_renewal(void)
{
    g_autoptr(Authority) authority = authority_new(hosts, NULL);
    gint64 now = time(NULL);
    g_autoptr(AuthorityLeaf) first = authority_leaf(authority, "api.example.com", now, NULL);
    g_autoptr(AuthorityLeaf) same =
        authority_leaf(authority, "api.example.com", now + DAY_S - 1, NULL);
    g_autoptr(AuthorityLeaf) next = authority_leaf(authority, "api.example.com", now + DAY_S, NULL);
    g_autoptr(AuthorityLeaf) back = authority_leaf(authority, "api.example.com", now, NULL);
    gnutls_x509_crt_t crt = certificate_of(next);

    g_assert_true(first == same);
    g_assert_true(next != first);
    g_assert_true(back != next);
    g_assert_cmpint(gnutls_x509_crt_get_expiration_time(crt), ==, now + 8 * DAY_S);
    g_assert_cmpint(gnutls_x509_crt_get_activation_time(crt), ==, now);
    gnutls_x509_crt_deinit(crt);
}

/* Leaves that are in use live on when the cache is emptied. */
static void
test_many_leaves(void)
{
    g_autoptr(Authority) authority = authority_new(NULL, NULL);
    gint64 now = time(NULL);
    g_autoptr(AuthorityLeaf) first = authority_leaf(authority, "a.example", now, NULL);

    for (guint i = 0; i < 256; i++) {
        g_autofree char *host = g_strdup_printf("h%u.example", i);
        g_autoptr(AuthorityLeaf) leaf = authority_leaf(authority, host, now, NULL);
        g_assert_nonnull(leaf);
    }
    g_autoptr(AuthorityLeaf) again = authority_leaf(authority, "a.example", now, NULL);
    g_assert_true(again != first);
    gnutls_x509_crt_t crt = certificate_of(first);
    g_assert_cmpuint(verify(authority, crt, "a.example"), ==, 0);
    gnutls_x509_crt_deinit(crt);
}

static void
test_many_hosts(void)
{
    const char *many[AUTHORITY_HOSTS_MAX + 2] = {0};

    for (guint i = 0; i < AUTHORITY_HOSTS_MAX; i++)
        many[i] = "a.example";
    g_autoptr(Authority) most = authority_new(many, NULL);
    g_assert_nonnull(most);
    many[AUTHORITY_HOSTS_MAX] = "a.example";
    g_assert_null(authority_new(many, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/authority/ca", test_ca);
    g_test_add_func("/authority/constraints", test_constraints);
    g_test_add_func("/authority/leaf", test_leaf);
    g_test_add_func("/authority/permitted-names", test_permitted_names);
    g_test_add_func("/authority/renewal", test_renewal);
    g_test_add_func("/authority/many-leaves", test_many_leaves);
    g_test_add_func("/authority/many-hosts", test_many_hosts);
    return g_test_run();
}
