/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secret-option: the option --secret, a header that requests of a sandbox to one host get outside
 * it.
 *
 *   HOST[:PORT][/PATH]:HEADER=[TEXT]@FILE
 *
 * The header's value is TEXT, followed by the content of FILE ("-": standard input). The secret
 * itself is never an argument, because other users of the machine can see arguments: errors quote
 * nothing that follows "=", unless it is the name of a file.
 */
#pragma once

#include <glib.h>

#define SECRET_VALUE_MAX 8192u /* bytes, without a line break at the end of the file */

typedef struct {
    char *host; /* in lower case */
    guint16 port;
    char *path; /* requests to paths that begin with it; NULL: all */
    char *header;
    char *format; /* TEXT, and "%s" for the value */
    char *file;
} Secret;

/* The error is of G_OPTION_ERROR. */
Secret *secret_parse(const char *text, GError **error);
void secret_free(Secret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secret, secret_free)

/*
 * Reads the value and returns a sealed memfd with it; -1 with an error. Values that cannot be in a
 * header (empty, longer than SECRET_VALUE_MAX, with control characters) are refused.
 */
int secret_open_value(const Secret *secret, GError **error);
