/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cloche: the command line of org.cloche1.
 *
 * Options of the program precede the verb: there, --user means the session bus. After the verb,
 * --user is an option of the verb and names a user of the sandbox.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "arguments.h"
#include "picture-sixel.h"
#include "verbs.h"

static int
unknown_option(const Cli *cli, const char *word)
{
    g_autofree char *valid = g_utf8_make_valid(word, -1);
    g_autofree char *message = g_strdup_printf("unknown option '%s'", valid);

    if (cli->json)
        cli_print_json(json_from_error("Usage", message));
    else
        cli_note("%s\ncloche: see cloche --help", message);
    return CLI_USAGE;
}

static int
run_verb(Cli *cli, char **argv)
{
    int status;

    cli->verb = verbs_find(argv[0]);
    if (cli->verb == NULL) {
        cli->json = cli->json || arguments_have(argv, "--json");
        return verbs_fail(cli, argv[0]);
    }
    cli->interrupted = g_cancellable_new();
    status = cli_end_status(cli->verb->run(cli, argv));
    g_strfreev(cli->arguments);
    g_strfreev(cli->command);
    g_clear_object(&cli->manager);
    g_object_unref(cli->interrupted);
    agent_stop(cli);
    return status;
}

/* A closed standard stream must not be replaced by a socket that happens to get its number. */
static void
occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int
main(int argc, char **argv)
{
    Cli cli = {.bus = G_BUS_TYPE_SYSTEM};

    if (g_strcmp0(argv[0], PICTURE_SIXEL_NAME) == 0)
        picture_sixel_main();
    occupy_standard_streams();
    g_set_prgname("cloche");
    for (argv++; *argv != NULL && **argv == '-'; argv++) {
        if (g_str_equal(*argv, "--user")) {
            cli.bus = G_BUS_TYPE_SESSION;
        } else if (g_str_equal(*argv, "--help") || g_str_equal(*argv, "-h")) {
            verbs_print_help();
            return CLI_OK;
        } else if (g_str_equal(*argv, "--version")) {
            puts("cloche " CLOCHE_VERSION);
            return CLI_OK;
        } else if (g_str_equal(*argv, "--no-ask-password")) {
            cli.no_ask_password = TRUE;
        } else if (g_str_equal(*argv, "--json")) {
            cli.json = TRUE;
        } else {
            cli.json = cli.json || arguments_have(argv, "--json");
            return unknown_option(&cli, *argv);
        }
    }
    return run_verb(&cli, *argv != NULL ? argv : (char *[]){"", NULL});
}
