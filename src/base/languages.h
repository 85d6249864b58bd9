/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * languages: names of languages, and the runner that executes each.
 *
 * A language without a runner of cloche is executed by the Jupyter kernel of the same name.
 */
#pragma once

#include <glib.h>

/* Returns the name that the API uses: "javascript" for "js" or any other suffix of its files, "r"
 * for "R". */
char *languages_canonical(const char *name);

/* Returns the language of a file by its suffix ("a.PY": "python"), or NULL if there is none. */
const char *languages_of_file(const char *file);

/* The following functions take canonical names. */

/* Returns the runner's program, or NULL if a kernel executes the language. */
const char *languages_runner(const char *language);

/* Returns the id of the language's default context: TypeScript shares that of JavaScript. */
const char *languages_default_context(const char *language);

/* Returns the dialect that the runner must be told, or NULL if the language is the runner's own. */
const char *languages_dialect(const char *language);
