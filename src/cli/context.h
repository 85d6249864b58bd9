/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context: the contexts of a sandbox, for several verbs. */
#pragma once

#include "cli.h"

/* Returns the answer of ListContexts(). */
GVariant *context_list(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Describes the contexts that have an interpreter: "python (idle), bash-1 (busy)". */
char *context_states(GVariant *contexts);
