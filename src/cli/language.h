/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* language: the language of code for which the user names none. */
#pragma once

#include "cli.h"
#include "languages.h"

/* Returns the first language of the sandbox's template; NULL without an error if the template is no
 * longer installed. */
char *language_of_sandbox(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Returns the language of a context; CLOCHE_ERROR_NO_SUCH_CONTEXT if the sandbox has no such
 * context. */
char *language_of_context(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error);
