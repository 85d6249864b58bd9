/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options: words of the command line into the a{sv} of a call. A word that was not given adds
 * nothing.
 */
#pragma once

#include <glib.h>

void options_add_text(GVariantDict *options, const char *key, const char *text);

/* "5m" becomes timeout t 300; "inf" adds nothing, which is no timeout for code and commands. */
gboolean options_add_timeout(GVariantDict *options, const char *text, GError **error);

/* The same of a sandbox's timeout, which is never infinite. */
gboolean options_add_lifetime(GVariantDict *options, const char *text, GError **error);
gboolean options_to_lifetime(const char *text, guint64 *ret_seconds, GError **error);

/* KEY=VALUE words become an a{ss}. */
gboolean options_add_pairs(GVariantDict *options, const char *key, char **words, GError **error);

/* KEY=VALUE words become the a{ss} "environment". NAME without "=" takes its value from this
 * program's environment, as in docker and systemd-run, and is omitted if it is not set there. */
gboolean options_add_environment(GVariantDict *options, char **words, GError **error);
