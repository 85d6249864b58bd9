/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shell: a terminal in a new or an existing sandbox. */
#include "command.h"
#include "escape.h"
#include "options.h"
#include "program.h"
#include "sandbox.h"
#include "verbs.h"

static int
follow_terminal(Cli *cli, ClocheSandbox *sandbox, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_auto(ProcessStreams) program = PROGRAM_NONE;

    if (!program_begin(cli, sandbox, /* on_terminal= */ TRUE, options, &program, &error))
        return cli_fail(cli, error);
    return program_follow(cli, &program, /* with_stdin= */ TRUE);
}

static int
open_leased(Cli *cli, const char *template, const NetworkPolicy *network, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease = sandbox_lease(cli, template, network, &error);

    if (lease == NULL)
        return cli_fail(cli, error);
    return follow_terminal(cli, sandbox_lease_get(lease), options);
}

static int
open_living(Cli *cli, const char *id, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, id, &error);

    return sandbox != NULL ? follow_terminal(cli, sandbox, options) : cli_fail(cli, error);
}

static gboolean
check_id(Cli *cli, const char *template, const NetworkOptions *network_options)
{
    const char *id = cli->arguments[0], *network_option = network_options_given(network_options);

    if (id != NULL && template != NULL)
        cli_usage(cli, "--template cannot be given with ID: the sandbox already has one");
    else if (id != NULL && network_option != NULL)
        cli_usage(cli, "--%s cannot be given with ID: 'cloche network %s' changes its network",
                  network_option, id);
    else
        return TRUE;
    return FALSE;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(CommandOptions) options = {.with_terminal = TRUE};
    g_auto(NetworkOptions) network_options = {0};
    g_auto(NetworkPolicy) network = {0};
    g_autoptr(GArray) entries = command_entries(&options, G_OPTION_FLAG_HIDDEN);
    g_autoptr(GArray) all = NULL;
    g_autofree char *template = NULL;
    const GOptionEntry own_entries[] = {
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &template, "Template of a new sandbox", "NAME"},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) call_options = NULL;
    int status;

    g_array_prepend_vals(entries, own_entries, G_N_ELEMENTS(own_entries));
    all = network_options_entries(&network_options, (const GOptionEntry *)entries->data);
    if (!cli_parse_arguments(cli, (const GOptionEntry *)all->data, argv, /* min= */ 0,
                             /* max= */ 1, &status))
        return status;
    if (!check_id(cli, template, &network_options) || !command_check(cli, &options))
        return CLI_USAGE;
    if (!network_options_read(&network_options, "the terminal", &network, &error))
        return cli_fail(cli, error);
    call_options = command_call_options(cli, &options, &error);
    if (call_options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(call_options);
    return cli->arguments[0] != NULL ? open_living(cli, cli->arguments[0], call_options)
                                     : open_leased(cli, template, &network, call_options);
}

const Verb verb_shell = {
    .name = "shell",
    .synopsis = "[ID] [-- COMMAND...]",
    .summary = "Open a terminal in a sandbox.",
    .description =
        "Without ID, in a new sandbox that is killed afterwards. Without COMMAND, with the user's\n"
        "shell. The exit status is that of the command. Keys: " ESCAPE_HELP ".\n"
        "If standard input is not a terminal, it is sent as typed text; the terminal then has 80\n"
        "columns and 24 rows.\n"
        "\n"
        "Examples:\n"
        "  cloche shell\n"
        "  cloche shell $id\n"
        "  cloche shell $id htop\n"
        "  cloche shell $id --user root -- htop",
    .takes_command = TRUE,
    .has_command_after_id = TRUE,
    .command_is_optional = TRUE,
    .run = run,
};
