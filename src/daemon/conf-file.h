/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf-file: which files make up a configuration, and what their lines say.
 *
 * As systemd has it: the main file is the first one of that name in the folders; drop-ins of all
 * folders (NAME.d/?*.conf) come behind it, sorted by their names, where one hides those of the same
 * name in later folders. A link to /dev/null hides, too. GKeyFile does not tell lines, so lines are
 * read here: [Section], Key=value, # or ; before a comment.
 */
#pragma once

#include <glib.h>

/* Longer files are an error. */
#define CONF_FILE_MAX (1024 * 1024)

/* One assignment. `place` is FILE:LINE. The error needs to say no more than what is wrong with the
 * value. */
typedef gboolean (*ConfAssign)(const char *section, const char *key, const char *value,
                               const char *place, gpointer data, GError **error);

/* The paths to read, in this order. `folders` end with NULL. */
char **conf_file_find(const char *const *folders, const char *name, GError **error);
/* `path` and its own drop-ins; it must be there. */
char **conf_file_find_at(const char *path, GError **error);

/* Stops at the first error, which names file, line, section and key, as far as there are such. */
gboolean conf_file_read(const char *path, ConfAssign assign, gpointer data, GError **error);
/* The same for the content of one. */
gboolean conf_file_parse(const char *path, const char *text, gsize length, ConfAssign assign,
                         gpointer data, GError **error);
