/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* language: which one code is in, when nobody said it. */
#pragma once

#include "cli.h"

/* By the file's name; NULL: it does not tell. */
const char *language_of_file(const char *file);

/* By its name or, in short, by how its files are called: "js". */
char *language_named(const char *name);

/* The first of the sandbox's template; NULL, without an error, when that is not installed any more.
 */
char *language_of_sandbox(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* A context's; an error of CLOCHE_ERROR_NO_SUCH_CONTEXT when there is none of that id. */
char *language_of_context(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error);
