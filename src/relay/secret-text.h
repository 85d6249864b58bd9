/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secret-text: what the texts of a secret may be, without its value.
 *
 * src/net checks policies by these functions as well, so it accepts no text that the relay refuses
 * when the secret is put into force.
 */
#pragma once

#include "http-filter.h"

#define SECRET_NAME_MAX 64u    /* bytes of a name */
#define SECRET_HEADER_MAX 64u  /* bytes of a header's name */
#define SECRET_FORMAT_MAX 256u /* bytes */

/* Letters, digits, '-' and '_'; not empty. */
gboolean secret_name_is_valid(const char *name);
/* The name of a field that the relay neither writes itself nor drops. */
gboolean secret_header_is_valid(const char *header);
/* Text with one "%s" and no other '%', without spaces at its ends. */
gboolean secret_format_is_valid(const char *format);
/* Printable text of one line, of at most `size_max` bytes and not empty, without spaces at its
 * ends. */
gboolean secret_text_is_valid(const void *text, gsize size, gsize size_max);
