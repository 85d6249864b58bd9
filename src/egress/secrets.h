/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secrets: the values of a worker's secrets.
 *
 * A value belongs to host, port and header of a secret, so that a policy with the secrets in
 * another order finds the values that it had. The values are wiped when they are freed.
 */
#pragma once

#include "policy.h"

typedef struct Secrets Secrets;

Secrets *secrets_new(void);
/* NULL is fine. */
void secrets_free(Secrets *secrets);

/* A value for the secret with this index of the policy that follows. FALSE: it is out of bounds. */
gboolean secrets_put(Secrets *secrets, guint index, const void *value, gsize size);
/* Forgets the values that no policy has taken yet. */
void secrets_drop_new(Secrets *secrets);
/*
 * Takes the new values for the secrets of a policy. Values of secrets that it does not have are
 * wiped. CLOCHE_ERROR_INVALID_ARGUMENT: a secret has no value; then nothing changes, except that
 * the new values are forgotten.
 */
gboolean secrets_take(Secrets *secrets, const NetPolicy *policy, GError **error);
/* Returns the value of a secret, with a zero byte after it, or NULL. */
const char *secrets_value(const Secrets *secrets, const NetSecret *secret, gsize *ret_size);

/* Returns the text that identifies a secret of a sandbox. */
char *secrets_key(const NetSecret *secret);
