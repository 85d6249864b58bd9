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
} ProcessWords;

void process_words_clear(ProcessWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessWords, process_words_clear)

/* The entries for them; process_words must be a variable. */
#define PROCESS_OPTIONS(process_words)                                                             \
    {                                                                                              \
        "cwd",                                                                                     \
        0,                                                                                         \
        0,                                                                                         \
        G_OPTION_ARG_FILENAME,                                                                     \
        &(process_words).cwd,                                                                      \
        "Where it starts (the user's home)",                                                       \
        "DIR"},                                                                                    \
        {"env",                                                                                    \
         'e',                                                                                      \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME_ARRAY,                                                              \
         &(process_words).environment,                                                             \
         "Add to its environment; can be given many times",                                        \
         "KEY=VALUE"},                                                                             \
        {"user",                                                                                   \
         'u',                                                                                      \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(process_words).user,                                                                    \
         "A user of the sandbox, by name or number",                                               \
         "USER"},                                                                                  \
        {"timeout",                                                                                \
         't',                                                                                      \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(process_words).timeout,                                                                 \
         "Kill it after that time: 90, 5m, 2h, 1d (never)",                                        \
         "TIME"},                                                                                  \
    {                                                                                              \
        "stdin", 'i', 0, G_OPTION_ARG_NONE, &(process_words).with_stdin,                           \
            "Give it our standard input, read to its end first", NULL                              \
    }

/* The options of org.cloche1.Sandbox.Run(), floating. Reads standard input where asked to. */
GVariant *process_options(const ProcessWords *words, GError **error);

/* What Run() answered. */
typedef struct {
    int status;
    char *out;
    char *err;
    GVariant *details;
} ProcessEnd;

void process_end_clear(ProcessEnd *end);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessEnd, process_end_clear)

/* Runs cli->command. options may be floating. */
gboolean process_run(Cli *cli, ClocheSandbox *sandbox, GVariant *options, ProcessEnd *ret_end,
                     GError **error);

/* Prints it, and gives the exit status to end with. */
int process_show(Cli *cli, const char *id, const ProcessEnd *end);
