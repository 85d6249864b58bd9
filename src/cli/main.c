/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cloche: the command line of org.cloche1.
 *
 * Options of the program stand before the verb, where --user means the session bus; behind the verb
 * it is the verb's own, as a user of the sandbox.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "verbs.h"

static const Verb *const verbs[] = {
    &verb_run, &verb_code,   &verb_repl,  &verb_create, &verb_exec,    &verb_shell,  &verb_attach,
    &verb_ps,  &verb_signal, &verb_list,  &verb_kill,   &verb_extend,  &verb_status, &verb_journal,
    &verb_ls,  &verb_cat,    &verb_write, &verb_cp,     &verb_forward, &verb_ports,  &verb_doctor,
};

static void
print_help(void)
{
    fputs("Usage:\n"
          "  cloche [--user] [--json] [--no-ask-password] VERB [WORDS...]\n"
          "\n"
          "Runs code that nobody trusts in microVMs of this machine.\n"
          "\n"
          "Verbs:\n",
          stdout);
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        printf("  %-7s %-21s %s\n", verbs[i]->name, verbs[i]->synopsis, verbs[i]->summary);
    fputs(
        "\n"
        "Options:\n"
        "  --user     Ask the service on the session bus (cloched --user), not the system's\n"
        "  --json     Print what the service answered as JSON, on one line; keys are those of the\n"
        "             D-Bus API, bytes are base64, and an error is\n"
        "             {\"error\": {\"name\": ..., \"message\": ...}}\n"
        "  --no-ask-password\n"
        "             Do not ask for a password where polkit wants one\n"
        "  --help     Show this help; cloche VERB --help shows a verb's\n"
        "  --version  Show the version\n"
        "\n"
        "Exit status:\n"
        "  run, exec, shell and attach pass that of the command on. Otherwise 0: done; 1: code\n"
        "  raised an error, or doctor found a problem; 2: wrong words; 124: its --timeout was\n"
        "  over; 125: the service could not do it; 126, 127: the command could not be run, was "
        "not\n"
        "  found in the sandbox; 130: interrupted by Ctrl-C; 141: who read the output left.\n"
        "\n"
        "Examples:\n"
        "  cloche run -- uname -a\n"
        "  cloche code -c 'print(6 * 7)'\n"
        "  id=$(cloche create --timeout 1h); cloche exec $id -- ls -l; cloche kill $id\n",
        stdout);
}

static const Verb *
find_verb(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (g_str_equal(verbs[i]->name, name))
            return verbs[i];
    }
    return NULL;
}

/* Known before the words are parsed: a mistake in them is told as JSON, too. */
static gboolean
wants_json(char **argv)
{
    for (; *argv != NULL && !g_str_equal(*argv, "--"); argv++) {
        if (g_str_equal(*argv, "--json"))
            return TRUE;
    }
    return FALSE;
}

static int
unknown_word(const Cli *cli, const char *kind, const char *word)
{
    g_autofree char *valid = g_utf8_make_valid(word, -1);
    g_autofree char *message =
        *word != '\0' ? g_strdup_printf("unknown %s '%s'", kind, valid) : g_strdup("which verb?");

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

    cli->verb = find_verb(argv[0]);
    if (cli->verb == NULL)
        return unknown_word(cli, "verb", argv[0]);
    cli->interrupted = g_cancellable_new();
    status = cli_end_status(cli->verb->run(cli, argv));
    g_strfreev(cli->words);
    g_strfreev(cli->command);
    g_clear_object(&cli->manager);
    g_object_unref(cli->interrupted);
    agent_stop(cli);
    return status;
}

/* Whoever closed one meant that it cannot be used; not that a socket of ours takes its number. */
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
    Cli cli = {.bus = G_BUS_TYPE_SYSTEM, .json = wants_json(argv + 1)};

    occupy_standard_streams();
    g_set_prgname("cloche");
    for (argv++; *argv != NULL && **argv == '-'; argv++) {
        if (g_str_equal(*argv, "--user")) {
            cli.bus = G_BUS_TYPE_SESSION;
        } else if (g_str_equal(*argv, "--help") || g_str_equal(*argv, "-h")) {
            print_help();
            return CLI_OK;
        } else if (g_str_equal(*argv, "--version")) {
            puts("cloche " CLOCHE_VERSION);
            return CLI_OK;
        } else if (g_str_equal(*argv, "--no-ask-password")) {
            cli.no_ask_password = TRUE;
        } else if (!g_str_equal(*argv, "--json")) {
            return unknown_word(&cli, "option", *argv);
        }
    }
    return run_verb(&cli, *argv != NULL ? argv : (char *[]){"", NULL});
}
