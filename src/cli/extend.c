/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extend: sets when a sandbox ends, counted from now. */
#include "options.h"
#include "sandbox.h"
#include "verbs.h"

static gboolean
set_timeout(Cli *cli, ClocheSandbox *sandbox, guint64 seconds, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_set_timeout(sandbox, seconds, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                    &reply);
    cli_await(&reply);
    return cloche_sandbox_call_set_timeout_finish(sandbox, reply, error);
}

static int
show(Cli *cli, const char *id, guint64 seconds)
{
    JsonObject *object;

    if (!cli->json)
        return CLI_OK;
    object = json_object_new();
    json_object_set_string_member(object, "id", id);
    json_object_set_int_member(object, "timeout", seconds);
    cli_print_object(object);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    guint64 seconds;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 2, /* max= */ 2, &status))
        return status;
    if (!options_to_lifetime(cli->arguments[1], &seconds, &error))
        return cli_usage(cli, "%s", error->message);
    if (!cli_connect(cli, &error))
        return cli_fail(cli, error);
    sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL || !set_timeout(cli, sandbox, seconds, &error))
        return cli_fail(cli, error);
    return show(cli, sandbox_id(sandbox), seconds);
}

const Verb verb_extend = {
    .name = "extend",
    .synopsis = "ID TIME",
    .summary = "Set when a sandbox ends or is paused, counted from now.",
    .description =
        "TIME is a number of seconds, or has units: 90s, 10m, 1h30m, 2d. The new end may also be\n"
        "earlier than the current one.\n"
        "\n"
        "Example:\n"
        "  cloche extend $id 30m",
    .run = run,
};
