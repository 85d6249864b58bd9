/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox: creating, finding and killing sandboxes from the command line.
 *
 * A sandbox that belongs to one command is leased (lease.h): it ends with the command, and soon
 * after this program if that is killed.
 */
#pragma once

#include "cli.h"
#include "network-options.h"

/*
 * Creates a sandbox, and shows the progress while the service prepares its template. options, fds:
 * as of creation_async(). Returns the object path, also when a signal came during the creation:
 * look at cli->signal.
 */
char *sandbox_create(Cli *cli, GVariant *options, GUnixFDList *fds, GError **error);

/*
 * Returns the id of the sandbox that a word names: by its id, its object path, or, for the caller's
 * own sandboxes, by its name or a prefix of its id. A complete id is not looked up.
 */
char *sandbox_resolve(Cli *cli, const char *word, GError **error);

/* Finds an existing sandbox as sandbox_resolve() does. */
ClocheSandbox *sandbox_find(Cli *cli, const char *word, GError **error);
const char *sandbox_id(ClocheSandbox *sandbox);

/* Returns all properties, as an a{sv}. */
GVariant *sandbox_properties(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Kills a sandbox by its id. A signal does not interrupt this, so that no sandbox is left behind.
 */
gboolean sandbox_kill(Cli *cli, const char *id, GError **error);

typedef struct SandboxLease SandboxLease;

/* Creates a sandbox that lives until sandbox_lease_end(), which kills it. template: NULL for the
 * default. */
SandboxLease *sandbox_lease(Cli *cli, const char *template, const NetworkPolicy *network,
                            GError **error);
ClocheSandbox *sandbox_lease_get(SandboxLease *lease);
const char *sandbox_lease_id(SandboxLease *lease);
void sandbox_lease_end(SandboxLease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxLease, sandbox_lease_end)
