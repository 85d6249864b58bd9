/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot: keeps what a sandbox is now. Only the id of the snapshot is printed, for scripts. */
#include "options.h"
#include "sandbox.h"
#include "verbs.h"

static char *
take(Cli *cli, ClocheSandbox *sandbox, const char *name, const char *description, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GAsyncResult) reply = NULL;
    char *id;

    options_add_text(&options, "name", name);
    options_add_text(&options, "description", description);
    cloche_sandbox_call_snapshot(sandbox, g_variant_dict_end(&options), CLIENT_CALL,
                                 cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_snapshot_finish(sandbox, &id, reply, error) ? id : NULL;
}

static int
show(Cli *cli, const char *id)
{
    JsonObject *object;

    if (cli->json) {
        object = json_object_new();
        json_object_set_string_member(object, "id", id);
        cli_print_object(object);
    } else {
        puts(id);
    }
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_autofree char *name = NULL, *description = NULL, *id = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    const GOptionEntry entries[] = {
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &name, "Name of the snapshot", "NAME"},
        {"description", 'd', 0, G_OPTION_ARG_FILENAME, &description, "What it is kept for", "TEXT"},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (cli_connect(cli, &error))
        sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox != NULL)
        id = take(cli, sandbox, name, description, &error);
    return id != NULL ? show(cli, id) : cli_fail(cli, error);
}

const Verb verb_snapshot = {
    .name = "snapshot",
    .synopsis = "ID",
    .summary = "Save memory and disk of a sandbox as they are now, and print the snapshot's id.",
    .description = "The sandbox continues. 'cloche create --snapshot' creates sandboxes with its\n"
                   "processes, variables and files of that moment. 'cloche snapshots' shows the\n"
                   "snapshots, 'cloche rm-snapshot' removes them.\n"
                   "\n"
                   "Example:\n"
                   "  snapshot=$(cloche snapshot $id --name 'tests pass')\n"
                   "  cloche create --snapshot $snapshot",
    .run = run,
};
