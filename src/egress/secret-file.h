/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secret-file: reads the value of a secret from the file that a caller of cloched has passed. */
#pragma once

#include <glib.h>

/*
 * Returns the value, without a newline at its end, to be freed by secret_file_free(). The file must
 * be in memory (a memfd, or of a tmpfs), because reading another one could take for ever.
 * CLOCHE_ERROR_INVALID_ARGUMENT: it is not, or the value is empty, too long, or has control
 * characters.
 */
char *secret_file_read(int fd, gsize *ret_size, GError **error);
/* Wipes the value. NULL is fine. */
void secret_file_free(char *value, gsize size);
