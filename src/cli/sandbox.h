/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox: making, finding and ending one from the command line.
 *
 * A sandbox that belongs to one command is leased: its timeout is short and put off again and again
 * while the command runs. So a command may take as long as it likes, and when this program is
 * killed the sandbox goes soon after.
 */
#pragma once

#include "cli.h"

/*
 * Creates a sandbox, and shows the progress while the service prepares its template. options: as
 * of creation_async(). Returns the object path, also when a signal came during the creation: look
 * at cli->signal.
 */
char *sandbox_create(Cli *cli, GVariant *options, GError **error);

/*
 * The id of the sandbox that a word names: by its id, its object path, or, of your own, by its name
 * or by the beginning of its id. A whole id is not looked up.
 */
char *sandbox_resolve(Cli *cli, const char *word, GError **error);

/* One that lives, as sandbox_resolve() finds it. */
ClocheSandbox *sandbox_find(Cli *cli, const char *word, GError **error);
const char *sandbox_id(ClocheSandbox *sandbox);

/* All of its properties, an a{sv}. */
GVariant *sandbox_properties(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* By its id. A signal does not stop this: it is the way to leave nothing behind. */
gboolean sandbox_kill(Cli *cli, const char *id, GError **error);

typedef struct SandboxLease SandboxLease;

/* Makes one that lives until the lease is ended, which also ends the sandbox. */
SandboxLease *sandbox_lease(Cli *cli, const char *template, GError **error);
ClocheSandbox *sandbox_lease_get(SandboxLease *lease);
const char *sandbox_lease_id(SandboxLease *lease);
void sandbox_lease_end(SandboxLease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxLease, sandbox_lease_end)
