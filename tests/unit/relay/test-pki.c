/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pki: an authority and its certificates, by GnuTLS. */
#include "test-pki.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#define DAY_S (24 * 60 * 60)

struct Pki {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    char *name, *pem;
};

static void
check(int result)
{
    g_assert_cmpint(result, >=, 0);
}

static gnutls_x509_privkey_t
make_key(void)
{
    gnutls_x509_privkey_t key;

    check(gnutls_x509_privkey_init(&key));
    check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                       GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    return key;
}

static gnutls_x509_crt_t
make_certificate(gnutls_x509_privkey_t key, const char *name, time_t from, time_t to)
{
    static guint count;
    guint8 serial[] = {1, (guint8)(count >> 8), (guint8)count};
    gnutls_x509_crt_t crt;

    check(gnutls_x509_crt_init(&crt));
    check(gnutls_x509_crt_set_version(crt, 3));
    check(gnutls_x509_crt_set_serial(crt, serial, sizeof serial));
    count++;
    check(gnutls_x509_crt_set_activation_time(crt, from));
    check(gnutls_x509_crt_set_expiration_time(crt, to));
    check(gnutls_x509_crt_set_key(crt, key));
    check(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                        (guint)strlen(name)));
    return crt;
}

Pki *
pki_new(void)
{
    static guint count;
    g_autofree char *name = g_strdup_printf("Test CA %u", ++count);

    return pki_new_named(name);
}

Pki *
pki_new_named(const char *name)
{
    Pki *pki = g_new0(Pki, 1);
    time_t now = time(NULL);
    gnutls_datum_t pem;

    pki->name = g_strdup(name);
    pki->key = make_key();
    pki->certificate = make_certificate(pki->key, name, now - DAY_S, now + DAY_S);
    check(gnutls_x509_crt_set_basic_constraints(pki->certificate, 1, -1));
    check(gnutls_x509_crt_set_key_usage(pki->certificate, GNUTLS_KEY_KEY_CERT_SIGN));
    check(
        gnutls_x509_crt_sign2(pki->certificate, pki->certificate, pki->key, GNUTLS_DIG_SHA256, 0));
    check(gnutls_x509_crt_export2(pki->certificate, GNUTLS_X509_FMT_PEM, &pem));
    pki->pem = g_strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return pki;
}

void
pki_free(Pki *pki)
{
    gnutls_x509_privkey_deinit(pki->key);
    gnutls_x509_crt_deinit(pki->certificate);
    g_free(pki->name);
    g_free(pki->pem);
    g_free(pki);
}

const char *
pki_name(const Pki *pki)
{
    return pki->name;
}

const char *
pki_pem(const Pki *pki)
{
    return pki->pem;
}

gnutls_certificate_credentials_t
pki_issue(const Pki *pki, const char *host, PkiFlaw flaw)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_x509_privkey_t key = make_key();
    time_t now = time(NULL);
    gnutls_x509_crt_t crt =
        make_certificate(key, host, flaw == PKI_NOT_YET ? now + DAY_S / 2 : now - DAY_S,
                         flaw == PKI_EXPIRED ? now - 60 : now + DAY_S);

    check(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host, (guint)strlen(host),
                                               GNUTLS_FSAN_SET));
    check(gnutls_x509_crt_set_key_purpose_oid(
        crt, flaw == PKI_FOR_CLIENTS ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER, 0));
    if (flaw == PKI_SELF_SIGNED)
        check(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
    else
        check(gnutls_x509_crt_sign2(crt, pki->certificate, pki->key, GNUTLS_DIG_SHA256, 0));
    check(gnutls_certificate_allocate_credentials(&credentials));
    check(gnutls_certificate_set_x509_key(credentials, &crt, 1, key));
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return credentials;
}
