/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach: follows a process that runs already, in place of the previous client. */
#include "program.h"
#include "verbs.h"

static int
run(Cli *cli, char **argv)
{
    gboolean with_stdin = FALSE;
    g_autoptr(GError) error = NULL;
    g_auto(ProcessStreams) program = PROGRAM_NONE;
    const GOptionEntry entries[] = {
        {"stdin", 'i', 0, G_OPTION_ARG_NONE, &with_stdin,
         "Pass standard input to the process (always for a terminal)", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 2, /* max= */ 2, &status))
        return status;
    if (!cli_connect(cli, &error) ||
        !program_attach(cli, cli->arguments[0], cli->arguments[1], &program, &error))
        return cli_fail(cli, error);
    return program_follow(cli, &program, with_stdin);
}

const Verb verb_attach = {
    .name = "attach",
    .synopsis = "ID NUMBER",
    .summary = "Follow a process that was started with exec --keep.",
    .description =
        "Begins with the output that has not been read yet, and replaces the previous attach.\n"
        "The exit status is that of the process. Interrupting cloche, or '~.' on a terminal,\n"
        "leaves the process running.\n"
        "\n"
        "Example:\n"
        "  number=$(cloche exec $id --keep -- make)\n"
        "  cloche attach $id $number",
    .when_missing =
        "'cloche ps ID' shows the numbers of processes, 'cloche shell ID' opens a terminal",
    .run = run,
};
