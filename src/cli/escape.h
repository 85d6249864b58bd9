/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * escape: the way out of a terminal that takes every key.
 *
 * As in ssh(1), a tilde at the start of a line, and the key behind it: "~." leaves, "~~" types one
 * tilde, "~?" shows this. A tilde in front of any other key is typed as it is.
 */
#pragma once

#include <glib.h>

#define ESCAPE_HELP "~. leaves, ~~ types a tilde, ~? shows this: each at the start of a line"

typedef struct {
    gboolean is_inside;  /* of a line */
    gboolean has_tilde;  /* one that is not decided about yet */
    gboolean wants_help; /* set by escape_pass(); the caller's to reset */
} Escape;

/* What is to be typed is appended to `out`. FALSE: leave; what came behind that is not typed. */
gboolean escape_pass(Escape *escape, const guint8 *keys, gsize size, GByteArray *out);
