/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: one command in a new sandbox. */
#include "command.h"
#include "sandbox.h"
#include "verbs.h"

static int
run_leased(Cli *cli, const char *template, const NetworkPolicy *network,
           const CommandOptions *options, GVariant *call_options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease = sandbox_lease(cli, template, network, &error);

    if (lease == NULL)
        return cli_fail(cli, error);
    return command_run(cli, sandbox_lease_get(lease), sandbox_lease_id(lease), options,
                       call_options);
}

/* What of the command reads standard input; NULL: nothing. */
static const char *
stdin_reader(const CommandOptions *options)
{
    return options->with_stdin || options->with_terminal ? "the command" : NULL;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(CommandOptions) options = {.is_alone = TRUE};
    g_auto(NetworkOptions) network_options = {0};
    g_auto(NetworkPolicy) network = {0};
    g_autoptr(GArray) entries = command_entries(&options, /* stream_flags= */ 0);
    g_autoptr(GArray) all = NULL;
    g_autofree char *template = NULL;
    gboolean is_removed = TRUE;
    const GOptionEntry own_entries[] = {
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &template, "Template of the sandbox", "NAME"},
        /* docker's; the sandbox is always removed */
        {"rm", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_removed, "", NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) call_options = NULL;
    int status;

    g_array_prepend_vals(entries, own_entries, G_N_ELEMENTS(own_entries));
    all = network_options_entries(&network_options, (const GOptionEntry *)entries->data);
    if (!cli_parse_arguments(cli, (const GOptionEntry *)all->data, argv, /* min= */ 0,
                             /* max= */ 0, &status))
        return status;
    if (!command_check(cli, &options))
        return CLI_USAGE;
    if (!network_options_read(&network_options, stdin_reader(&options), &network, &error))
        return cli_fail(cli, error);
    call_options = command_call_options(cli, &options, &error);
    if (call_options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(call_options);
    return run_leased(cli, template, &network, &options, call_options);
}

const Verb verb_run = {
    .name = "run",
    .synopsis = "-- COMMAND...",
    .summary = "Run a command in a new sandbox.",
    .description =
        "The sandbox is killed when the command ends. Interrupting cloche kills both. It has no\n"
        "network unless an option gives it one.\n"
        "The exit status is that of the command: 128 plus the number of the signal if a signal\n"
        "ended it, 124 if its --timeout expired.\n"
        "\n"
        "Examples:\n"
        "  cloche run -- uname -a\n"
        "  echo 1 2 3 | cloche run --stdin -- wc -w\n"
        "  cloche run -it -- bash\n"
        "  cloche run --allow example.com -- curl -sS https://example.com/\n"
        "  cloche run --timeout 10 --env NAME=x --user root -- sh -c 'id; echo $NAME'",
    .takes_command = TRUE,
    .run = run,
};
