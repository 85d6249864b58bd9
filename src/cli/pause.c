/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pause: stops the processors of a sandbox, until it is resumed. */
#include "sandbox.h"
#include "verbs.h"

static gboolean
pause_sandbox(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_pause(sandbox, CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_pause_finish(sandbox, reply, error);
}

static int
show(Cli *cli, const char *id)
{
    JsonObject *object;

    if (!cli->json)
        return CLI_OK;
    object = json_object_new();
    json_object_set_string_member(object, "id", id);
    cli_print_object(object);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (!cli_connect(cli, &error))
        return cli_fail(cli, error);
    sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL || !pause_sandbox(cli, sandbox, &error))
        return cli_fail(cli, error);
    return show(cli, sandbox_id(sandbox));
}

const Verb verb_pause = {
    .name = "pause",
    .synopsis = "ID",
    .summary = "Pause a sandbox: it stands still until it is resumed.",
    .description =
        "Its memory, processes and files stay as they are, and commands that are running wait. It\n"
        "still counts in your quota. It ends when it has been paused for too long; 'cloche list'\n"
        "shows when. It does not survive a reboot of this machine.\n"
        "\n"
        "Example:\n"
        "  cloche pause $id",
    .run = run,
};
