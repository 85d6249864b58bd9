/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec: a command in a sandbox that lives. */
#include "process.h"
#include "sandbox.h"
#include "verbs.h"

static int
run(Cli *cli, char **argv)
{
    g_auto(ProcessWords) words = {0};
    g_auto(ProcessEnd) end = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    const GOptionEntry entries[] = {PROCESS_OPTIONS(words), G_OPTION_ENTRY_NULL};
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    options = process_options(&words, &error);
    if (options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(options);
    sandbox = sandbox_find(cli, cli->words[0], &error);
    if (sandbox == NULL || !process_run(cli, sandbox, options, &end, &error))
        return cli_fail(cli, error);
    return process_show(cli, cli->words[0], &end);
}

const Verb verb_exec = {
    .name = "exec",
    .synopsis = "ID -- COMMAND...",
    .summary = "Runs a command in a sandbox that lives.",
    .description =
        "The exit status is the command's (128 and the signal's number when a signal ended it).\n"
        "Interrupting this program kills the command; the sandbox goes on.\n"
        "\n"
        "Examples:\n"
        "  id=$(cloche create)\n"
        "  cloche exec $id -- ls -l /\n"
        "  cloche exec $id --stdin -- sh -c 'cat > notes.txt' < notes.txt\n"
        "  cloche exec $id --cwd /tmp --user root -- touch file",
    .takes_command = TRUE,
    .run = run,
};
