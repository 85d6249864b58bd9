/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settings: the texts of cloched.conf and its drop-ins, and where each of them stands.
 *
 * Of cloched.conf the first of /etc/cloche, /run/cloche and /usr/lib/cloche counts; then come all
 * cloched.conf.d/?*.conf of the three, sorted by name, where one in /etc hides that of the same
 * name in /run, and that the one in /usr/lib. A later setting wins; a link to /dev/null masks.
 */
#pragma once

#include <glib.h>

typedef struct Settings Settings;

typedef struct {
    const char *section, *key, *text;
    const char *path;
    guint line;
} Setting;

/* Longer files are an error. */
#define SETTINGS_FILE_MAX (1024 * 1024)

/* `path` NULL: as above; otherwise that file, which must be there, and PATH.d/?*.conf. The error
 * names file and line. */
Settings *settings_load(const char *path, GError **error);
/* Nothing at all. */
Settings *settings_new(void);
void settings_free(Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)

/* NULL: it is not set. */
const Setting *settings_find(const Settings *settings, const char *section, const char *key);
/* All that are set, in no order; not owned. */
GPtrArray *settings_list(const Settings *settings);
/* The same with other folders than /etc/cloche and so on, the first one first. */
Settings *settings_load_from(const char *const *folders, GError **error);
