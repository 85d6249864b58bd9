/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: one command in a sandbox of its own. */
#include "process.h"
#include "sandbox.h"
#include "verbs.h"

static int
run_leased(Cli *cli, const char *template, const ProcessWords *words, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease = sandbox_lease(cli, template, &error);

    if (lease == NULL)
        return cli_fail(cli, error);
    return process_run(cli, sandbox_lease_get(lease), sandbox_lease_id(lease), words, options);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(ProcessWords) words = {0};
    g_autofree char *template = NULL;
    gboolean is_removed = TRUE;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = NULL;
    const GOptionEntry entries[] = {
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &template, "What the sandbox is made from",
         "NAME"},
        PROCESS_OPTIONS(words),
        {"rm", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_removed,
         "As it always is, for those who know docker", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 0, /* max= */ 0, &status))
        return status;
    if (!process_check(cli, &words))
        return CLI_USAGE;
    options = process_options(cli, &words, &error);
    if (options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(options);
    return run_leased(cli, template, &words, options);
}

const Verb verb_run = {
    .name = "run",
    .synopsis = "-- COMMAND...",
    .summary = "Runs a command in a sandbox of its own, killed afterwards.",
    .description =
        "The sandbox lives as long as the command; interrupting this program kills both.\n"
        "The exit status is the command's (128 and the signal's number when a signal ended it, "
        "124\n"
        "when its --timeout was over).\n"
        "\n"
        "Examples:\n"
        "  cloche run -- uname -a\n"
        "  echo 1 2 3 | cloche run --stdin -- wc -w\n"
        "  cloche run -it -- bash\n"
        "  cloche run --timeout 10 --env NAME=x --user root -- sh -c 'id; echo $NAME'",
    .takes_command = TRUE,
    .run = run,
};
