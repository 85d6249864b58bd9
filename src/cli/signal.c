/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signal: sends a signal to the first process of a process object. */
#include <signal.h>

#include "program.h"
#include "text.h"
#include "verbs.h"

static gboolean
send_signal(Cli *cli, int number, GError **error)
{
    g_autoptr(ClocheProcess) process = NULL;
    g_autoptr(GAsyncResult) reply = NULL;

    if (!cli_connect(cli, error))
        return FALSE;
    process = program_find(cli, cli->arguments[0], cli->arguments[1], error);
    if (process == NULL)
        return FALSE;
    cloche_process_call_signal(process, number, CLIENT_CALL, cli->interrupted, cli_on_reply,
                               &reply);
    cli_await(&reply);
    return cloche_process_call_signal_finish(process, reply, error);
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) error = NULL;
    int number = SIGTERM, status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 2, /* max= */ 3, &status))
        return status;
    if (cli->arguments[2] != NULL && !text_to_signal(cli->arguments[2], &number, &error))
        return cli_usage(cli, "%s", error->message);
    return send_signal(cli, number, &error) ? CLI_OK : cli_fail(cli, error);
}

const Verb verb_signal = {
    .name = "signal",
    .synopsis = "ID NUMBER [SIGNAL]",
    .summary = "Send a signal to a process in a sandbox.",
    .description =
        "'cloche ps' shows the NUMBER. SIGNAL is a name or a number (default: TERM). KILL ends\n"
        "the process and everything that it started.\n"
        "\n"
        "Examples:\n"
        "  cloche signal $id 3\n"
        "  cloche signal $id 3 HUP",
    .run = run,
};
