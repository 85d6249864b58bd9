/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * term: colours and progress bars, which only a terminal gets.
 *
 * Each stream is checked separately: standard error may be a terminal while the output is a file.
 * With TERM=dumb there are neither colours nor bars; with NO_COLOR there are no colours.
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

/* Returns the code that begins the style (STYLE_OFF: ends all styles); "" without colours. */
const char *term_style(FILE *stream, TermStyle style);

/* Progress on standard error: one line that changes on a terminal, otherwise one line per step. */
typedef struct {
    char *last_step;
    gboolean line_is_open;
} TermProgress;

/* fraction: 0 to 1; negative: unknown. */
void term_progress_show(TermProgress *progress, const char *what, const char *step,
                        double fraction);

/* Removes the line from the terminal. */
void term_progress_end(TermProgress *progress);
