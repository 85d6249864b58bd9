/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * habit: verbs and options of docker, podman, machinectl, systemctl and ssh that cloche calls
 * otherwise, and the nearest name of a misspelt one.
 *
 * Another name works as an alias only where cloche has the same thing under it. "stop" is none: a
 * stopped container can be started again, a killed sandbox is gone.
 */
#pragma once

#include <glib.h>

/* The name of the verb that `word` is another name of; NULL if it is none. */
const char *habit_alias(const char *word);

/* What to type in place of a verb of another program; NULL if it is not known. */
const char *habit_verb_hint(const char *word);

/* What to do in place of an option that this verb has in other programs, e.g. "-v" or "--volume"
 * for "run"; NULL if it is not known. */
const char *habit_option_hint(const char *verb, const char *option);

/* The name in `known` (NULL-terminated) that was probably meant: the only one that begins with
 * `word`, or the one with the fewest typing errors, which are two at most. NULL if none is near. */
const char *habit_nearest(const char *word, const char *const *known);
