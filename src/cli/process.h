/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: a command in a sandbox, from the words of "run" and "exec" to its output and exit
 * status.
 */
#pragma once

#include "cli.h"

typedef struct {
    char *cwd;
    char **environment; /* KEY=VALUE */
    char *user;
    char *timeout;
    gboolean with_stdin;
    gboolean with_terminal;
    gboolean is_kept; /* of "exec" only, as the tag */
    char *tag;
} ProcessWords;

void process_words_clear(ProcessWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessWords, process_words_clear)

/* clang-format off */
/* The entries for them; process_words must be a variable. Hidden ones are docker's names. */
#define PROCESS_COMMON_OPTIONS(process_words)                                                      \
    {"cwd", 'w', 0, G_OPTION_ARG_FILENAME, &(process_words).cwd,                                   \
     "Where it starts (the user's home)", "DIR"},                                                  \
    {"workdir", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &(process_words).cwd,              \
     "As --cwd", "DIR"},                                                                           \
    {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &(process_words).environment,                     \
     "Add to its environment; can be given many times", "KEY=VALUE"},                              \
    {"user", 'u', 0, G_OPTION_ARG_FILENAME, &(process_words).user,                                 \
     "A user of the sandbox, by name or number", "USER"},                                          \
    {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &(process_words).timeout,                           \
     "Kill it after that time: 90, 5m, 1h30m, 2d (never)", "TIME"}

/* Input is a matter of course on a terminal. */
#define PROCESS_TERMINAL_OPTIONS(process_words, flags)                                             \
    {"stdin", 'i', flags, G_OPTION_ARG_NONE, &(process_words).with_stdin,                          \
     "Give it our standard input", NULL},                                                          \
    {"interactive", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &(process_words).with_stdin,       \
     "As --stdin", NULL},                                                                          \
    {"tty", 0, flags, G_OPTION_ARG_NONE, &(process_words).with_terminal,                           \
     "Run it on a terminal, as 'cloche shell' does", NULL}

#define PROCESS_OPTIONS(process_words)                                                             \
    PROCESS_COMMON_OPTIONS(process_words), PROCESS_TERMINAL_OPTIONS(process_words, 0)
/* clang-format on */

/* FALSE when they contradict each other; that is told. */
gboolean process_check(Cli *cli, const ProcessWords *words);

/* The options of the call that process_run() will make, floating. */
GVariant *process_options(Cli *cli, const ProcessWords *words, GError **error);

/*
 * Runs cli->command to its end, and gives the exit status. With --json by Run(), whose answer is
 * printed; else our standard streams are its own.
 */
int process_run(Cli *cli, ClocheSandbox *sandbox, const char *id, const ProcessWords *words,
                GVariant *options);
