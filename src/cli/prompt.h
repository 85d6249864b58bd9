/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prompt: entries of one or more lines, edited with GNU Readline, and their history.
 *
 * There is one prompt at a time. The main context continues to run while it waits. Ctrl-C discards
 * what was typed.
 */
#pragma once

#include "cli.h"

typedef enum {
    PROMPT_EXECUTE,
    PROMPT_READ_ON, /* the entry needs another line */
    PROMPT_DISCARD, /* Ctrl-C was typed during the check */
} PromptAction;

/* What to do with an entry after Enter. */
typedef PromptAction (*PromptCheck)(const char *entry, gpointer data);

/* The history is kept for each language, in $XDG_STATE_HOME/cloche. */
void prompt_begin(const char *language, PromptCheck check, gpointer data);
void prompt_end(void);

/* The next entry that is not blank; NULL after Ctrl-D or a signal (cli.h). */
char *prompt_read(Cli *cli);
