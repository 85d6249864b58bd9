/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-text: bytes of a guest as text for people and scripts. */
#pragma once

#include <glib.h>

/* Returns UTF-8 of at most `max` bytes as a new string. Invalid bytes become U+FFFD. */
char *guest_text(const guint8 *bytes, gsize size, gsize max, gboolean *ret_invalid,
                 gboolean *ret_cut);
/* The size of guest_text() of all bytes, in which each byte that is not valid takes three. */
gsize guest_text_size(const guint8 *bytes, gsize size);
/* Returns the size without an incomplete character at the end. */
gsize guest_text_without_partial(const char *text, gsize size);
/* Whether data of this MIME type is text. */
gboolean guest_text_is_mime_type(const char *mime_type);
