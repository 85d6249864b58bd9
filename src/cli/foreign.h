/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * foreign: verbs and options of docker, podman, machinectl, systemctl and ssh that have another
 * name in cloche.
 *
 * A verb of another program is an alias only where cloche does the same. "stop" is not an alias of
 * "kill": a stopped container can be started again, a killed sandbox cannot.
 */
#pragma once

#include <glib.h>

/* Returns the verb of cloche that `word` is an alias of, or NULL if it is not an alias. */
const char *foreign_alias(const char *word);

/* Returns what to type in place of another program's verb, or NULL if the verb is not known. */
const char *foreign_verb_hint(const char *word);

/* Returns what to do in place of an option ("-v", "--volume") that the verb has in other programs,
 * or NULL if the option is not known. */
const char *foreign_option_hint(const char *verb, const char *option);
