/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resume: continues a paused sandbox. */
#include "options.h"
#include "sandbox.h"
#include "verbs.h"

static gboolean
resume_sandbox(Cli *cli, ClocheSandbox *sandbox, GVariant *options, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_resume(sandbox, options, CLIENT_CALL, cli->interrupted, cli_on_reply,
                               &reply);
    cli_await(&reply);
    return cloche_sandbox_call_resume_finish(sandbox, reply, error);
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
    g_autoptr(GVariant) held = NULL;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *timeout = NULL;
    int status;
    const GOptionEntry entries[] = {
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &timeout,
         "Lifetime from now on: 90, 5m, 1h30m, 2d (default: its last timeout)", "TIME"},
        G_OPTION_ENTRY_NULL,
    };

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (!options_add_lifetime(&options, timeout, &error))
        return cli_usage(cli, "%s", error->message);
    held = g_variant_ref_sink(g_variant_dict_end(&options));
    if (!cli_connect(cli, &error))
        return cli_fail(cli, error);
    sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL || !resume_sandbox(cli, sandbox, held, &error))
        return cli_fail(cli, error);
    return show(cli, sandbox_id(sandbox));
}

const Verb verb_resume = {
    .name = "resume",
    .synopsis = "ID",
    .summary = "Continue a paused sandbox.",
    .description = "Its timeout begins anew. A sandbox that is not paused remains unchanged.\n"
                   "\n"
                   "Example:\n"
                   "  cloche resume --timeout 1h $id",
    .run = run,
};
