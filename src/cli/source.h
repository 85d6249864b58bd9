/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source: the text of code, from a file or from standard input. */
#pragma once

#include <glib.h>

/*
 * Reads the code. file: "-" for standard input. Errors are of G_FILE_ERROR, or of G_OPTION_ERROR if
 * the input is not code: too long, not UTF-8, a notebook.
 */
char *source_read(const char *file, GError **error);

/*
 * Returns the text of the bytes without a byte order mark, with line breaks unchanged. what: names
 * the bytes in errors, which are of G_OPTION_ERROR.
 */
char *source_text(const char *bytes, gsize size, const char *what, GError **error);
