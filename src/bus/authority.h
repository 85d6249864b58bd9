/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* authority: polkit, asked without waiting. The only file that knows it. */
#pragma once

#include "peers.h"

/* Questions of one user that may wait for an answer: a dialog takes its time. */
#define AUTHORITY_WAITING_MAX 64u

typedef struct Authority Authority;

/* `changed`: what polkit said before may not hold any more. */
Authority *authority_new(void (*changed)(gpointer data), gpointer data);
void authority_free(Authority *authority);

/*
 * Asks whether the peer may do `action`. `details` (key, value, …, NULL) are for the rules of
 * administrators. `interactive`: polkit may ask the peer's user for a password.
 *
 * Finishes with TRUE; or with CLOCHE_ERROR_NOT_PERMITTED, which names the action and tells whether
 * polkit said so or could not be asked; or with CLOCHE_ERROR_BUSY. The question is withdrawn when
 * the peer leaves.
 */
void authority_ask_async(Authority *authority, Peer *peer, const char *action,
                         const char *const *details, gboolean interactive,
                         GAsyncReadyCallback callback, gpointer data);
gboolean authority_ask_finish(GAsyncResult *result, GError **error);
