/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-hint: explains a failure by the network of the sandbox.
 *
 * It keeps the end of the error output. If the command or the code fails, and the output says that
 * a host could not be reached, the service is asked whether the sandbox has no network, or has
 * refused connections, or cut off a response with the value of a secret, in the meantime. Then a
 * line on standard error says so, once, and what changes it.
 */
#pragma once

#include "cli.h"

typedef struct NetworkHint NetworkHint;

/*
 * Begins before the command is started, and does not wait. is_alone: the sandbox exists only for
 * this command, so the hint names options of the verb, and the refused host: only then are
 * connections followed, because a sandbox has few descriptors for that.
 */
NetworkHint *network_hint_new(Cli *cli, ClocheSandbox *sandbox, gboolean is_alone);
void network_hint_free(NetworkHint *hint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetworkHint, network_hint_free)

/* A hint may be NULL in the following functions, which do nothing then. */

/* The command or the code was started. Connections are followed from now on: before, the descriptor
 * might count as the last process that the user may have. */
void network_hint_follow(NetworkHint *hint);

/* Forgets the error output: it was that of another execution. */
void network_hint_reset(NetworkHint *hint);

/* Adds error output. Another thread may call it, if it has ended before the other functions are
 * called. */
void network_hint_add(NetworkHint *hint, const void *bytes, gsize size);

/* The command or the code has failed: prints the line if the network is the reason. */
void network_hint_give(NetworkHint *hint);
