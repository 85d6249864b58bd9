/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* authority: each function returns the first error of GnuTLS, which becomes a GError at the top. */
#include "authority.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "util.h"

#define DAY_S (24 * 60 * 60)
#define CA_VALID_S (3650 * (gint64)DAY_S)
#define LEAF_VALID_S (7 * DAY_S)
#define LEAF_RENEWED_S DAY_S
#define BACKDATED_S DAY_S /* the guest's clock may be behind */
#define LEAVES_MAX 256u   /* that are kept */
#define SERIAL_SIZE 16u
#define COMMON_NAME_MAX 64u

struct Authority {
    gatomicrefcount references;
    char **hosts; /* NULL: all */
    gnutls_x509_privkey_t key, leaf_key;
    gnutls_x509_crt_t certificate;
    char *pem;
    GHashTable *leaves; /* host → AuthorityLeaf */
};

struct AuthorityLeaf {
    gatomicrefcount references;
    gint64 made; /* seconds since 1970 */
    gnutls_certificate_credentials_t credentials;
};

/* FALSE if a function of GnuTLS has failed. */
static gboolean
succeeds(int result, GError **error)
{
    if (result < 0)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "certificate of the sandbox: %s",
                    gnutls_strerror(result));
    return result >= 0;
}

/* --- certificates --- */

static int
set_name(gnutls_x509_crt_t crt, const char *name)
{
    return gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                         (guint)strlen(name));
}

static int
set_key_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
    guint8 id[64];
    gsize size = sizeof id;
    int result = gnutls_x509_crt_get_key_id(crt, 0, id, &size);

    if (result >= 0)
        result = gnutls_x509_crt_set_subject_key_id(crt, id, size);
    size = sizeof id;
    if (result >= 0)
        result = gnutls_x509_crt_get_key_id(issuer, 0, id, &size);
    if (result >= 0)
        result = gnutls_x509_crt_set_authority_key_id(crt, id, size);
    return result;
}

/* What both kinds of certificates have. */
static gnutls_x509_crt_t
begin_certificate(gnutls_x509_privkey_t key, gint64 now, gint64 valid_s, GError **error)
{
    gnutls_x509_crt_t crt;
    guint8 serial[SERIAL_SIZE];

    if (!succeeds(gnutls_x509_crt_init(&crt), error))
        return NULL;
    util_random(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always of this size */
    int result = gnutls_x509_crt_set_version(crt, 3);
    if (result >= 0)
        result = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (result >= 0)
        result = gnutls_x509_crt_set_activation_time(crt, now - BACKDATED_S);
    if (result >= 0)
        result = gnutls_x509_crt_set_expiration_time(crt, now + valid_s);
    if (result >= 0)
        result = gnutls_x509_crt_set_key(crt, key);
    if (succeeds(result, error))
        return crt;
    gnutls_x509_crt_deinit(crt);
    return NULL;
}

/* Names of hosts only: no addresses. */
static int
add_constraints(gnutls_x509_name_constraints_t constraints, char **hosts)
{
    static guint8 zeros[32];
    gnutls_datum_t ipv4 = {zeros, 8}, ipv6 = {zeros, 32}; /* address and mask */
    int result =
        gnutls_x509_name_constraints_add_excluded(constraints, GNUTLS_SAN_IPADDRESS, &ipv4);

    if (result >= 0)
        result =
            gnutls_x509_name_constraints_add_excluded(constraints, GNUTLS_SAN_IPADDRESS, &ipv6);
    for (; result >= 0 && *hosts; hosts++) {
        gnutls_datum_t host = {(guint8 *)*hosts, (guint)strlen(*hosts)};
        result = gnutls_x509_name_constraints_add_permitted(constraints, GNUTLS_SAN_DNSNAME, &host);
    }
    return result;
}

static int
set_constraints(gnutls_x509_crt_t crt, char **hosts)
{
    gnutls_x509_name_constraints_t constraints;
    int result = gnutls_x509_name_constraints_init(&constraints);

    if (result < 0)
        return result;
    result = add_constraints(constraints, hosts);
    if (result >= 0)
        result = gnutls_x509_crt_set_name_constraints(crt, constraints, /* critical= */ 1);
    gnutls_x509_name_constraints_deinit(constraints);
    return result;
}

static int
complete_ca(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, char **hosts)
{
    g_autofree char *id = util_new_id();
    g_autofree char *name = g_strdup_printf("cloche sandbox authority %s", id);
    int result = set_name(crt, name);

    if (result >= 0)
        result = gnutls_x509_crt_set_basic_constraints(crt, 1, /* path length= */ 0);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (result >= 0)
        result = set_key_id(crt, crt);
    if (result >= 0 && hosts)
        result = set_constraints(crt, hosts);
    return result < 0 ? result : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int
complete_leaf(gnutls_x509_crt_t crt, const Authority *authority, const char *host)
{
    int result = set_name(crt, strlen(host) <= COMMON_NAME_MAX ? host : "cloche sandbox");

    if (result >= 0)
        result = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
                                                      (guint)strlen(host), GNUTLS_FSAN_SET);
    if (result >= 0)
        result = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (result >= 0)
        result = set_key_id(crt, authority->certificate);
    return result < 0 ? result
                      : gnutls_x509_crt_sign2(crt, authority->certificate, authority->key,
                                              GNUTLS_DIG_SHA256, 0);
}

/* --- leaves --- */

static AuthorityLeaf *
make_leaf(const Authority *authority, const char *host, gint64 now, GError **error)
{
    gnutls_x509_crt_t crt = begin_certificate(authority->leaf_key, now, LEAF_VALID_S, error);
    gnutls_certificate_credentials_t credentials = NULL;

    if (!crt)
        return NULL;
    int result = complete_leaf(crt, authority, host);
    if (result >= 0)
        result = gnutls_certificate_allocate_credentials(&credentials);
    if (result >= 0)
        result = gnutls_certificate_set_x509_key(credentials, &crt, 1, authority->leaf_key);
    gnutls_x509_crt_deinit(crt);
    if (!succeeds(result, error)) {
        g_clear_pointer(&credentials, gnutls_certificate_free_credentials);
        return NULL;
    }
    AuthorityLeaf *leaf = g_new0(AuthorityLeaf, 1);
    g_atomic_ref_count_init(&leaf->references);
    leaf->made = now;
    leaf->credentials = credentials;
    return leaf;
}

AuthorityLeaf *
authority_leaf_ref(AuthorityLeaf *leaf)
{
    g_atomic_ref_count_inc(&leaf->references);
    return leaf;
}

void
authority_leaf_unref(AuthorityLeaf *leaf)
{
    if (!leaf || !g_atomic_ref_count_dec(&leaf->references))
        return;
    gnutls_certificate_free_credentials(leaf->credentials);
    g_free(leaf);
}

gnutls_certificate_credentials_t
authority_leaf_credentials(const AuthorityLeaf *leaf)
{
    return leaf->credentials;
}

/* Also one from the future is not used: the clock was set back. */
static gboolean
is_fresh(const AuthorityLeaf *leaf, gint64 now)
{
    return now >= leaf->made && now - leaf->made < LEAF_RENEWED_S;
}

AuthorityLeaf *
authority_leaf(Authority *authority, const char *host, gint64 now, GError **error)
{
    AuthorityLeaf *leaf = g_hash_table_lookup(authority->leaves, host);

    if (leaf && is_fresh(leaf, now))
        return authority_leaf_ref(leaf);
    if (!authority_permits(authority, host)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "the sandbox's authority may not certify '%s'", host);
        return NULL;
    }
    leaf = make_leaf(authority, host, now, error);
    if (!leaf)
        return NULL;
    if (g_hash_table_size(authority->leaves) >= LEAVES_MAX)
        g_hash_table_remove_all(authority->leaves);
    g_hash_table_replace(authority->leaves, g_strdup(host), authority_leaf_ref(leaf));
    return leaf;
}

/* --- the authority --- */

static gboolean
make_key(gnutls_x509_privkey_t *ret, GError **error)
{
    return succeeds(gnutls_x509_privkey_init(ret), error) &&
           succeeds(gnutls_x509_privkey_generate(
                        *ret, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                    error);
}

static gboolean
make_ca(Authority *authority, GError **error)
{
    gnutls_datum_t pem;

    authority->certificate = begin_certificate(authority->key, time(NULL), CA_VALID_S, error);
    if (!authority->certificate)
        return FALSE;
    if (!succeeds(complete_ca(authority->certificate, authority->key, authority->hosts), error) ||
        !succeeds(gnutls_x509_crt_export2(authority->certificate, GNUTLS_X509_FMT_PEM, &pem),
                  error))
        return FALSE;
    authority->pem = g_strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return TRUE;
}

Authority *
authority_new(const char *const *hosts, GError **error)
{
    if (hosts && g_strv_length((char **)hosts) > AUTHORITY_HOSTS_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "more than %u hosts for the sandbox's authority", AUTHORITY_HOSTS_MAX);
        return NULL;
    }
    Authority *authority = g_new0(Authority, 1);
    g_atomic_ref_count_init(&authority->references);
    authority->hosts = hosts ? g_strdupv((char **)hosts) : NULL;
    authority->leaves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify)authority_leaf_unref);
    if (make_key(&authority->key, error) && make_key(&authority->leaf_key, error) &&
        make_ca(authority, error))
        return authority;
    authority_unref(authority);
    return NULL;
}

Authority *
authority_ref(Authority *authority)
{
    g_atomic_ref_count_inc(&authority->references);
    return authority;
}

void
authority_unref(Authority *authority)
{
    if (!authority || !g_atomic_ref_count_dec(&authority->references))
        return;
    g_hash_table_unref(authority->leaves);
    gnutls_x509_crt_deinit(authority->certificate);
    gnutls_x509_privkey_deinit(authority->leaf_key);
    gnutls_x509_privkey_deinit(authority->key);
    g_strfreev(authority->hosts);
    g_free(authority->pem);
    g_free(authority);
}

const char *
authority_pem(const Authority *authority)
{
    return authority->pem;
}

gboolean
authority_permits(const Authority *authority, const char *host)
{
    gsize size = strlen(host);

    if (!authority->hosts)
        return TRUE;
    for (char **permitted = authority->hosts; *permitted; permitted++) {
        gsize length = strlen(*permitted);
        if (size >= length && strcmp(host + size - length, *permitted) == 0 &&
            (size == length || host[size - length - 1] == '.'))
            return TRUE;
    }
    return FALSE;
}
