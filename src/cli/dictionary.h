/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dictionary: values of an a{sv} of the API, of which a key may be missing. */
#pragma once

#include <glib.h>

/* Returns a text, which lives as long as the dictionary: "" if it is missing or no text, or if
 * `dictionary` is NULL. */
const char *dictionary_text(GVariant *dictionary, const char *key);

/* Returns a number of the type q, u or t: 0 if it is missing or no number. */
guint64 dictionary_number(GVariant *dictionary, const char *key);
