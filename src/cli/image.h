/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image: pictures among the results of code, and the files that results are saved to.
 *
 * Data and MIME type come from a guest: they do not become part of a file name, and existing files
 * are never overwritten.
 */
#pragma once

#include <glib.h>

gboolean image_is_mime(const char *mime);

/* "003.png" */
char *image_file_name(const char *mime, guint number);

/* Reads the size in the header of a PNG. Returns FALSE if the data is not a PNG. */
gboolean image_png_size(const guint8 *data, gsize size, guint32 *ret_width, guint32 *ret_height);

/*
 * Creates the file with the first free number from *number on, and sets *number to the next one.
 * Errors are of G_FILE_ERROR.
 */
int image_create(const char *directory, const char *mime, guint *number, char **ret_path,
                 GError **error);

/* Also writes the data. Returns the path. A file that could not be written completely is removed.
 */
char *image_save(const char *directory, const char *mime, const void *data, gsize size,
                 guint *number, GError **error);
