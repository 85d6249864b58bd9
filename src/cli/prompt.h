/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prompt: entries of one or more lines, edited by GNU Readline, with a history that lasts.
 *
 * There is one at a time. While an entry is waited for the main context goes on, and Ctrl-C throws
 * away what was typed.
 */
#pragma once

#include "cli.h"

/* The history is the language's, in $XDG_STATE_HOME/cloche. */
void prompt_begin(const char *language);
void prompt_end(void);

/* NULL: Ctrl-D, or a signal (cli.h). Empty entries are none. */
char *prompt_read(Cli *cli);
