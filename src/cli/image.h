/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image: pictures among the results of code, and the files that results are saved to.
 *
 * Data and MIME type come from a guest: a name is made of our own words only, and a file that
 * exists is never written to.
 */
#pragma once

#include <glib.h>

gboolean image_is_mime(const char *mime);

/* "003.png" */
char *image_file_name(const char *mime, guint number);

/* The size in a PNG's header; FALSE when the data are something else. */
gboolean image_png_size(const guint8 *data, gsize size, guint32 *ret_width, guint32 *ret_height);

/*
 * Makes the file of the first free name from *number on, which is then set behind it. Errors are of
 * G_FILE_ERROR.
 */
int image_create(const char *directory, const char *mime, guint *number, char **ret_path,
                 GError **error);

/* The same, with that in it; returns its path. A file that could not be written whole is removed.
 */
char *image_save(const char *directory, const char *mime, const void *data, gsize size,
                 guint *number, GError **error);
