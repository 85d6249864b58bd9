/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spelling: the name that a misspelt word was probably meant to be. */
#pragma once

#include <glib.h>

/* Returns the name in `known` (NULL-terminated) that is the only one that begins with the word, or
 * the one with the fewest typing errors, at most two. NULL if no name is near. */
const char *spelling_nearest(const char *word, const char *const *known);
