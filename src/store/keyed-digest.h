/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keyed-digest: keyed digests of what must not be stored.
 *
 * A record needs to tell whether a second request is the same as the first, which may contain
 * passwords. A digest without a key would permit guesses. The key is in the run folder, which only
 * the service can read and which does not outlive the host's boot; nor does any record.
 */
#pragma once

#include "store.h"

typedef struct StoreDigest StoreDigest;

/* Begins a digest with the key of the store. */
StoreDigest *store_digest_new(const Store *store);
/* Adds a text, or a list of texts, with its length: other texts never give the same bytes. */
void store_digest_add(StoreDigest *digest, const char *text);
void store_digest_add_list(StoreDigest *digest, char **texts);
/* Returns 64 hex digits, and frees the digest. */
char *store_digest_finish(StoreDigest *digest);
