/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal: the journal's entries about a sandbox, which remain after its end. */
#include <errno.h>
#include <unistd.h>

#include "agent.h"
#include "sandbox.h"
#include "verbs.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A complete id needs no service: the sandbox may have ended long ago. */
static char *
find_id(Cli *cli, const char *word, GError **error)
{
    char *id = NULL;

    if (client_is_sandbox_id(word))
        return g_strdup(word);
    if (cli_connect(cli, error))
        id = sandbox_resolve(cli, word, error);
    agent_stop(cli); /* this program becomes journalctl */
    return id;
}

static int
exec_journalctl(Cli *cli, const char *id, gboolean follow, const char *lines)
{
    g_autofree char *match = g_strconcat("SANDBOX_ID=", id, NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, "journalctl");
    g_ptr_array_add(argv, match);
    /* Other programs may write such fields, too. */
    g_ptr_array_add(argv, "_SYSTEMD_UNIT=cloched.service");
    g_ptr_array_add(argv, "_SYSTEMD_UNIT=cloche-egress.service");
    if (cli->json)
        g_ptr_array_add(argv, "--output=json");
    if (follow)
        g_ptr_array_add(argv, "--follow");
    if (lines != NULL) {
        g_ptr_array_add(argv, "--lines");
        g_ptr_array_add(argv, (char *)lines);
    }
    g_ptr_array_add(argv, NULL);
    execvp("journalctl", (char **)argv->pdata);
    cli_note("cannot run journalctl: %s", g_strerror(errno));
    return CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    gboolean follow = FALSE;
    g_autofree char *lines = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;
    int status;
    const GOptionEntry entries[] = {
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Continue with new entries", NULL},
        {"lines", 'n', 0, G_OPTION_ARG_STRING, &lines, "Show only the last N lines", "N"},
        G_OPTION_ENTRY_NULL,
    };

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (lines != NULL && !g_ascii_string_to_unsigned(lines, 10, 0, G_MAXINT32, NULL, NULL))
        return cli_usage(cli, "--lines: '%s' is not a number", lines);
    id = find_id(cli, *cli->arguments, &error);
    if (id == NULL)
        return cli_fail(cli, error);
    if (cli->bus == G_BUS_TYPE_SYSTEM && access(JOURNAL_SOCKET, F_OK) == 0)
        return exec_journalctl(cli, id, follow, lines);
    cli_note("only a service that systemd runs writes to the journal; others write to their "
             "standard error");
    return CLI_FAILED;
}

const Verb verb_journal = {
    .name = "journal",
    .synopsis = "ID",
    .summary = "Show what happened to a sandbox, from the system's journal.",
    .description = "Root and members of the groups adm and systemd-journal may read the journal.\n"
                   "\n"
                   "Examples:\n"
                   "  cloche journal $id\n"
                   "  cloche journal --follow $id",
    .run = run,
};
