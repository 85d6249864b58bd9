/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arguments: a verb's arguments as users of other programs type them, converted for GOption.
 *
 * - "-it" is "-i" and "--tty". "-t" alone is --tty as well, but --timeout if a duration follows.
 *   This applies to verbs that have both.
 * - "-uroot" is "-u root".
 * - "exec ID COMMAND..." without "--": everything after the id belongs to the command, also
 * options.
 * - The error for an unknown option says what to use instead.
 */
#pragma once

#include <glib.h>

/*
 * argv begins with the verb; so does the result. entries: all options of the verb.
 * has_command_after_id: as in Verb. Errors are of G_OPTION_ERROR.
 */
char **arguments_prepare(const GOptionEntry *entries, char *const *argv,
                         gboolean has_command_after_id, GError **error);

/* Whether the option is among the arguments before "--". */
gboolean arguments_have(char *const *arguments, const char *option);
