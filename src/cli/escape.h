/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * escape: escape sequences of a terminal that sends every key to the sandbox.
 *
 * As in ssh(1), a sequence is a tilde at the start of a line and the next key: "~." leaves, "~~"
 * types one tilde, "~?" shows the sequences. A tilde before any other key is typed unchanged.
 */
#pragma once

#include <glib.h>

#define ESCAPE_HELP "~. leaves, ~~ types a tilde, ~? shows this: each at the start of a line"

typedef struct {
    gboolean is_inside;  /* not at the start of a line */
    gboolean has_tilde;  /* the last key was the tilde of a sequence */
    gboolean wants_help; /* set by escape_pass(), reset by the caller */
} Escape;

/* Appends to `out` the keys to be typed. Returns FALSE after "~.", and drops the keys after it. */
gboolean escape_pass(Escape *escape, const guint8 *keys, gsize size, GByteArray *out);
