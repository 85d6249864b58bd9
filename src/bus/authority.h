/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authority: asynchronous queries of polkit. No other file calls polkit.
 *
 * The bus permits a connection 128 calls without a reply, and refuses all further calls of it. It
 * also counts the calls whose caller does not wait for the reply any more. So few queries are in
 * progress at a time, a query is in progress until polkit has replied, and the others wait here, in
 * turn between users (slots.h). A user who opens connections, calls and leaves delays the query of
 * another user by AUTHORITY_QUERIES_EACH queries.
 *
 * polkit is queried without a prompt first, which it answers at once. If the answer depends on a
 * password, and the caller permits that polkit asks for it, polkit is queried again. That query has
 * slots of its own, so no query without a prompt waits for a dialog.
 */
#pragma once

#include "peers.h"

/* Queries of one user, in progress or waiting. */
#define AUTHORITY_WAITING_MAX 64u
/* Bytes of the arguments of their calls. */
#define AUTHORITY_WAITING_SIZE (24u * 1024 * 1024)

/* Queries in progress, of one user and of all: those without a prompt, and those with one, whose
 * dialog may be open for a long time. */
#define AUTHORITY_QUERIES_EACH 2u
#define AUTHORITY_QUERIES_ALL 16u
#define AUTHORITY_PROMPTS_EACH 4u
#define AUTHORITY_PROMPTS_ALL 48u
/* A query whose caller has left before polkit's reply occupies its slot for this time after the
 * reply. Callers who come and go cost polkit more than others, because nothing is remembered of
 * them; and each query of polkit 122 has a small chance to block polkit for 15 seconds. */
#define AUTHORITY_LEFT_MS 100

/* The bus drops a message, also a reply, to a connection with more than 64 unread descriptors
 * (max_outgoing_unix_fds), which any user can cause for a moment. After this time without a reply
 * to a query without a prompt, polkit is probed by another call. If it replies to that one, the
 * query is repeated once. Probes are few, because they wait as the queries do if polkit hangs. */
#define AUTHORITY_OVERDUE_S 20
#define AUTHORITY_PROBES 8u

typedef struct Authority Authority;

/* Calls `changed` when previous replies of polkit may have become invalid. `connection`: to the
 * system bus. */
Authority *authority_new(GDBusConnection *connection, void (*changed)(gpointer data),
                         gpointer data);
void authority_free(Authority *authority);

/*
 * Asks polkit whether the peer may do `action`. `details` (key, value, …, NULL) are passed to the
 * administrator's rules. `size`: the memory that the caller holds meanwhile. If `may_prompt` is
 * set, polkit may ask the peer's user for a password.
 *
 * Finishes with TRUE if the peer may. Otherwise it fails with CLOCHE_ERROR_NOT_PERMITTED, whose
 * message names the action and the reason. If polkit is not there, which is no decision, it is
 * asked once more, and then it fails with CLOCHE_ERROR_BUSY, as it does if too many queries of the
 * user are pending. It fails with G_IO_ERROR_CANCELLED if the peer has left the bus: at once if the
 * query waits, and otherwise when polkit has replied. There is no timeout.
 */
void authority_ask_async(Authority *authority, Peer *peer, const char *action,
                         const char *const *details, gboolean may_prompt, gsize size,
                         GAsyncReadyCallback callback, gpointer data);
gboolean authority_ask_finish(GAsyncResult *result, GError **error);
