/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * words: a verb's words as people of other programs type them, into those that GOption reads.
 *
 * - "-it" is "-i" and "--tty". "-t" alone is --tty as well, but a duration after it makes it
 *   --timeout. This is for verbs that have both.
 * - "-uroot" is "-u root".
 * - "exec ID COMMAND..." without "--": what follows the id is the command's, its options, too.
 * - An option that is not known is an error that says what to use instead.
 */
#pragma once

#include <glib.h>

/*
 * argv begins with the verb; so does the result. entries: all that the verb has.
 * has_command_after_id: as of Verb. Errors are of G_OPTION_ERROR.
 */
char **words_prepare(const GOptionEntry *entries, char *const *argv, gboolean has_command_after_id,
                     GError **error);

/* If an option is among the words before "--". */
gboolean words_have(char *const *words, const char *option);
