/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input: all of a file or pipe, up to a bound. */
#pragma once

#include <glib.h>

/*
 * Reads to the end. what: names it in errors, which are of G_FILE_ERROR, or of G_OPTION_ERROR when
 * there are more than max bytes.
 */
GString *input_read(int fd, gsize max, const char *what, GError **error);
