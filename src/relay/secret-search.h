/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secret-search: finds the values of secrets in what a server sends.
 *
 * A server that returns what it gets would give the secret to the guest. The search finds a value
 * as it is, also when it arrives in pieces, and holds its begin back until it is known how it goes
 * on. It does not find a value that was encoded or divided by the server.
 */
#pragma once

#include "bytes.h"
#include "http-secret.h"

#define SECRET_SEARCH_BYTES (1024u * 1024) /* of each body that are searched */
/* Shorter values are not searched for: they occur by chance. */
#define SECRET_SEARCH_VALUE_MIN 8u
/* Fewer bytes of a value are not held back: an interactive stream would stop at each 'g'. */
#define SECRET_SEARCH_HELD_MIN 4u

typedef struct SecretSearch SecretSearch;

/* `secrets`: of Secret; NULL: nothing is found. */
SecretSearch *secret_search_new(GPtrArray *secrets);
/* NULL is fine. */
void secret_search_free(SecretSearch *search);

/* Whether a complete text contains a value. */
gboolean secret_search_text(const SecretSearch *search, const guint8 *data, gsize size);

/* What of a stream may be passed on: first bytes that were held back, then bytes of the block. */
typedef struct {
    const guint8 *held;
    gsize held_size, block_size;
} SecretSearchPart;

/* A new body begins. */
void secret_search_begin(SecretSearch *search);
/* The next block of the body. FALSE: it completes a value. */
gboolean secret_search_block(SecretSearch *search, const guint8 *data, gsize size,
                             SecretSearchPart *ret);
/* Bytes that are held back: a block of size N lets at most N and these pass. */
gsize secret_search_held(const SecretSearch *search);
/* The body is complete: what was held back may pass. */
void secret_search_end(SecretSearch *search, SecretSearchPart *ret);
