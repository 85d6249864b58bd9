/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authority: the certificate authority of one sandbox, which certifies its worker towards the
 * guest.
 *
 * Its keys (EC P-256) are made here, never leave the process, and die with it. Only the guest of
 * the sandbox gets the certificate. The certificate is valid for ten years, longer than any sandbox
 * lives, and its name constraints permit only the given names. A leaf is valid for seven days;
 * after one day, the next connection gets a new one. All leaves have the same key.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>

typedef struct Authority Authority;
typedef struct AuthorityLeaf AuthorityLeaf;

#define AUTHORITY_HOSTS_MAX 256u

/* `hosts`: the names that the authority may certify, and those below each; NULL: all names. Errors
 * are CLOCHE_ERROR_FAILED. */
Authority *authority_new(const char *const *hosts, GError **error);
Authority *authority_ref(Authority *authority);
/* NULL is fine. */
void authority_unref(Authority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Authority, authority_unref)

/* The certificate as PEM, for the guest. */
const char *authority_pem(const Authority *authority);
/* Whether the name constraints permit the name. */
gboolean authority_permits(const Authority *authority, const char *host);

/* The certificate of `host`, which is made when it is needed first. `now`: seconds since 1970. */
AuthorityLeaf *authority_leaf(Authority *authority, const char *host, gint64 now, GError **error);
AuthorityLeaf *authority_leaf_ref(AuthorityLeaf *leaf);
/* NULL is fine. */
void authority_leaf_unref(AuthorityLeaf *leaf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthorityLeaf, authority_leaf_unref)
/* Lives as long as the leaf. */
gnutls_certificate_credentials_t authority_leaf_credentials(const AuthorityLeaf *leaf);
