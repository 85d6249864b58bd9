/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shell: a terminal in a sandbox, of its own or one that lives. */
#include "escape.h"
#include "options.h"
#include "process.h"
#include "program.h"
#include "sandbox.h"
#include "verbs.h"

static int
follow_terminal(Cli *cli, ClocheSandbox *sandbox, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_auto(Program) program = PROGRAM_NONE;

    if (!program_begin(cli, sandbox, /* on_terminal= */ TRUE, options, &program, &error))
        return cli_fail(cli, error);
    return program_follow(cli, &program, /* with_stdin= */ TRUE);
}

static int
open_leased(Cli *cli, const char *template, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease = sandbox_lease(cli, template, &error);

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

static int
run(Cli *cli, char **argv)
{
    g_auto(ProcessWords) words = {.with_terminal = TRUE};
    g_autofree char *template = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = NULL;
    const GOptionEntry entries[] = {
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &template, "What a new sandbox is made from",
         "NAME"},
        PROCESS_COMMON_OPTIONS(words),
        PROCESS_TERMINAL_OPTIONS(words, G_OPTION_FLAG_HIDDEN), /* a shell has both always */
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 0, /* max= */ 1, &status))
        return status;
    if (cli->words[0] != NULL && template != NULL)
        return cli_usage(cli, "the sandbox has its template already; leave --template out");
    if (!process_check(cli, &words))
        return CLI_USAGE;
    options = process_options(cli, &words, &error);
    if (options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(options);
    return cli->words[0] != NULL ? open_living(cli, cli->words[0], options)
                                 : open_leased(cli, template, options);
}

const Verb verb_shell = {
    .name = "shell",
    .synopsis = "[ID] [-- COMMAND...]",
    .summary = "Opens a terminal in a sandbox.",
    .description = "Without ID in a sandbox of its own, killed afterwards; without a command the "
                   "user's shell.\n"
                   "The exit status is the command's. Keys: " ESCAPE_HELP ".\n"
                   "Standard input that is no terminal is typed, too, on a screen of 80x24.\n"
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
