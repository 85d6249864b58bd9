/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input: the complete contents of a file or pipe, up to a limit. */
#pragma once

#include <glib.h>

/*
 * Reads to the end. what: names the input in errors. These are of G_FILE_ERROR, or of
 * G_OPTION_ERROR if there are more than max bytes.
 */
GString *input_read(int fd, gsize max, const char *what, GError **error);
