/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context: the contexts of a sandbox, for several verbs. */
#pragma once

#include "cli.h"

/* What ListContexts() answers. */
GVariant *context_list(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Those that have an interpreter: "python (idle), bash-1 (busy)". */
char *context_states(GVariant *contexts);
