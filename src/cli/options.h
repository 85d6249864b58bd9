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

/* As "environment". NAME without a value has the one of this program's environment, as with docker
 * and systemd-run; it is left out when there is none. */
gboolean options_add_environment(GVariantDict *options, char **words, GError **error);
