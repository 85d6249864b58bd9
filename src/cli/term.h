/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * term: what only a terminal gets: colours and a bar that moves.
 *
 * Each stream is looked at by itself: standard error may be a terminal while the output is a file.
 * Nothing moves and nothing is coloured with TERM=dumb, and NO_COLOR takes the colours away.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

typedef enum {
    STYLE_OFF,
    STYLE_BOLD,
    STYLE_RED,
    STYLE_YELLOW,
} TermStyle;

gboolean term_is_terminal(FILE *stream);

/* The code that begins the style (or ends all, STYLE_OFF); "" where there are no colours. */
const char *term_style(FILE *stream, TermStyle style);

/* Waiting, shown on standard error: one line that changes on a terminal, a line per step elsewhere.
 */
typedef struct {
    char *last_step;
    gboolean line_is_open;
} TermProgress;

/* fraction: negative when nobody knows. */
void term_progress_show(TermProgress *progress, const char *what, const char *step,
                        double fraction);

/* Takes the line off the terminal again. */
void term_progress_end(TermProgress *progress);
