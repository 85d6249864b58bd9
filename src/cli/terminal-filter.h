/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * terminal-filter: output of a guest for a terminal that the guest was not given.
 *
 * A program that has no terminal of its own may colour its output and draw progress bars. It has no
 * reason to set the window's title or the clipboard, to report mouse clicks, or to make the
 * terminal answer, because a terminal types its answers into the user's shell. The filter passes
 * colours, styles and movements of the cursor, and shows every other control sequence with \x1b in
 * place of its first byte.
 */
#pragma once

#include <glib.h>

/* The longest control sequence that is passed. */
#define TERMINAL_SEQUENCE_MAX 64

typedef struct {
    guint8 held[TERMINAL_SEQUENCE_MAX]; /* the beginning of a sequence whose end has not arrived */
    gsize held_size;
} TerminalFilter;

/* Appends to `out` what the terminal gets. size 0: the end of the output, so nothing remains held.
 */
void terminal_filter(TerminalFilter *filter, const guint8 *bytes, gsize size, GByteArray *out);
