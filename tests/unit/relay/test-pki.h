/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pki: certificates of servers, right and wrong. */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>

/* What is wrong with a certificate. */
typedef enum {
    PKI_GOOD,
    PKI_EXPIRED,
    PKI_NOT_YET,
    PKI_SELF_SIGNED,
    PKI_FOR_CLIENTS,
} PkiFlaw;

typedef struct Pki Pki;

/* An authority with a name of its own, or a given one. */
Pki *pki_new(void);
Pki *pki_new_named(const char *name);
const char *pki_name(const Pki *pki);
void pki_free(Pki *pki);
const char *pki_pem(const Pki *pki);
/* Credentials with a certificate for `host`; gnutls_certificate_free_credentials() frees them. */
gnutls_certificate_credentials_t pki_issue(const Pki *pki, const char *host, PkiFlaw flaw);
