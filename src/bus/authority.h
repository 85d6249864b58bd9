/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* authority: asynchronous queries of polkit. No other file uses polkit. */
#pragma once

#include "peers.h"

/* The maximum number of pending queries per user: a password dialog may be open for a long time. */
#define AUTHORITY_WAITING_MAX 64u

typedef struct Authority Authority;

/* Calls `changed` when previous replies of polkit may have become invalid. */
Authority *authority_new(void (*changed)(gpointer data), gpointer data);
void authority_free(Authority *authority);

/*
 * Asks polkit whether the peer may do `action`. `details` (key, value, …, NULL) are passed to the
 * administrator's rules. If `interactive` is set, polkit may ask the peer's user for a password.
 *
 * Finishes with TRUE if the peer may. Otherwise it fails with CLOCHE_ERROR_NOT_PERMITTED, whose
 * message names the action and the reason: polkit refused, or could not be reached. If too many
 * queries are pending, it fails with CLOCHE_ERROR_BUSY. The query is cancelled when the peer leaves
 * the bus.
 */
void authority_ask_async(Authority *authority, Peer *peer, const char *action,
                         const char *const *details, gboolean interactive,
                         GAsyncReadyCallback callback, gpointer data);
gboolean authority_ask_finish(GAsyncResult *result, GError **error);
