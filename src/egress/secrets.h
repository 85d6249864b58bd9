/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secrets: the secrets of a worker, with their values.
 *
 * A value belongs to host, port and header of a secret, so that a policy with the secrets in
 * another order finds the values that it had. The values are wiped when they are freed.
 */
#pragma once

#include "http-secret.h"
#include "policy.h"

typedef struct Secrets Secrets;
/* Secrets that are ready, but not in use yet. */
typedef GHashTable SecretsMade;

Secrets *secrets_new(void);
/* NULL is fine. */
void secrets_free(Secrets *secrets);

/* A value for the secret with this index of the policy that follows. FALSE: it is out of bounds. */
gboolean secrets_put(Secrets *secrets, guint index, const void *value, gsize size);
/* Forgets these values. */
void secrets_drop_new(Secrets *secrets);

/*
 * Makes the secrets of a policy, with the new values, or those that they had. NULL with
 * CLOCHE_ERROR_INVALID_ARGUMENT: one has no value, or is not valid. Nothing is in use before
 * secrets_use(), which takes `made`, and wipes all others.
 */
SecretsMade *secrets_make(const Secrets *secrets, const NetPolicy *policy, GError **error);
void secrets_use(Secrets *secrets, SecretsMade *made);

/* Returns a new array of the secrets of a host and port, or NULL. */
GPtrArray *secrets_find(const Secrets *secrets, const char *host, guint16 port);

/* Returns the text that identifies a secret of a sandbox. */
char *secrets_key(const NetSecret *secret);
