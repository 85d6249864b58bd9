/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf-file: finds the files of a configuration and parses their lines.
 *
 * The rules are systemd's: the main file is the first one of its name in the folders. The drop-ins
 * of all folders (NAME.d/?*.conf) follow, sorted by name; a drop-in hides those of the same name in
 * later folders, and so does a link to /dev/null. GKeyFile does not report line numbers, so this
 * file parses the lines: [Section], Key=value, and comments that begin with # or ;.
 */
#pragma once

#include <glib.h>

/* Longer files are an error. */
#define CONF_FILE_MAX (1024 * 1024)

/* Called for each assignment. `place` is FILE:LINE. The error only has to say what is wrong with
 * the value: the caller adds file, line, section and key. */
typedef gboolean (*ConfAssign)(const char *section, const char *key, const char *value,
                               const char *place, gpointer data, GError **error);

/* The paths to read, in this order. `folders` ends with NULL. */
char **conf_file_find(const char *const *folders, const char *name, GError **error);
/* `path` and its drop-ins. `path` is returned even if it does not exist. */
char **conf_file_find_at(const char *path, GError **error);

/* Stops at the first error, which names file, line, section and key, as far as they are known. */
gboolean conf_file_read(const char *path, ConfAssign assign, gpointer data, GError **error);
/* The same for the content of a file. */
gboolean conf_file_parse(const char *path, const char *text, gsize length, ConfAssign assign,
                         gpointer data, GError **error);
