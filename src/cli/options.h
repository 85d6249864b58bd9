/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options: options of the command line, converted to the a{sv} of a call. An option that was not
 * given adds nothing.
 */
#pragma once

#include <glib.h>

void options_add_text(GVariantDict *options, const char *key, const char *text);

/* "5m" adds timeout t 300. "inf" adds nothing: code and commands then have no timeout. */
gboolean options_add_timeout(GVariantDict *options, const char *text, GError **error);

/* The same for the timeout of a sandbox, which cannot be infinite. */
gboolean options_add_lifetime(GVariantDict *options, const char *text, GError **error);
gboolean options_to_lifetime(const char *text, guint64 *ret_seconds, GError **error);

/* Adds texts of the form KEY=VALUE as an a{ss}. */
gboolean options_add_pairs(GVariantDict *options, const char *key, char **texts, GError **error);

/* Adds texts of the form KEY=VALUE as the a{ss} "environment". NAME without "=" takes its value
 * from the environment of this program, as in docker and systemd-run, and is omitted if it is not
 * set. */
gboolean options_add_environment(GVariantDict *options, char **texts, GError **error);
