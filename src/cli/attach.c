/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach: our streams in place of whoever followed a process before. */
#include "program.h"
#include "verbs.h"

static int
run(Cli *cli, char **argv)
{
    gboolean with_stdin = FALSE;
    g_autoptr(GError) error = NULL;
    g_auto(Program) program = PROGRAM_NONE;
    const GOptionEntry entries[] = {
        {"stdin", 'i', 0, G_OPTION_ARG_NONE, &with_stdin,
         "Give it our standard input (to a terminal always)", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 2, /* max= */ 2, &status))
        return status;
    if (!cli_connect(cli, &error) ||
        !program_attach(cli, cli->words[0], cli->words[1], &program, &error))
        return cli_fail(cli, error);
    return program_follow(cli, &program, with_stdin);
}

const Verb verb_attach = {
    .name = "attach",
    .synopsis = "ID NUMBER",
    .summary = "Follows a process that was started with --keep.",
    .description =
        "It begins with the output that nobody has read, and whoever followed it before does not\n"
        "any more. The exit status is the process's. Interrupting this program, or '~.' on a\n"
        "terminal, leaves it running.\n"
        "\n"
        "Example:\n"
        "  number=$(cloche exec $id --keep -- make)\n"
        "  cloche attach $id $number",
    .when_missing =
        "'cloche ps ID' shows the numbers of processes, 'cloche shell ID' opens a terminal",
    .run = run,
};
