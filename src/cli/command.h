/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * command: a command in a sandbox, from the options of "run", "exec" and "shell" to its output and
 * exit status.
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
    gboolean is_kept; /* only of "exec", as the tag */
    char *tag;
    gboolean is_alone; /* set by the verb: the sandbox exists only for this command */
} CommandOptions;

void command_options_clear(CommandOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommandOptions, command_options_clear)

/*
 * Returns a zero-terminated array of GOptionEntry that set the options, to which a verb adds its
 * own. stream_flags: of --stdin and --tty, G_OPTION_FLAG_HIDDEN for a verb that always has both.
 */
GArray *command_entries(CommandOptions *options, GOptionFlags stream_flags);

/* Returns FALSE, and has printed why, if the options contradict each other. */
gboolean command_check(Cli *cli, const CommandOptions *options);

/* Returns the options of the call that command_run() will make, floating. */
GVariant *command_call_options(Cli *cli, const CommandOptions *options, GError **error);

/*
 * Runs cli->command to its end and returns the exit status. With --json it calls Run() and prints
 * the answer; otherwise the command has the standard streams of this program.
 */
int command_run(Cli *cli, ClocheSandbox *sandbox, const char *id, const CommandOptions *options,
                GVariant *call_options);
