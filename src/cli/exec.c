/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec: a command in a sandbox that lives, followed to its end or left behind. */
#include "process.h"
#include "program.h"
#include "sandbox.h"
#include "verbs.h"

static void
print_number(Cli *cli, const Program *program)
{
    const char *path = g_dbus_proxy_get_object_path(G_DBUS_PROXY(program->process));
    JsonObject *object;
    JsonNode *node;

    if (!cli->json) {
        puts(program_number(program));
        return;
    }
    object = json_object_new();
    node = json_node_new(JSON_NODE_OBJECT);
    json_object_set_string_member(object, "process", path);
    json_object_set_int_member(object, "number",
                               g_ascii_strtoll(program_number(program), /* end= */ NULL, 10));
    json_node_take_object(node, object);
    cli_print_json(node);
}

static int
leave_behind(Cli *cli, ClocheSandbox *sandbox, const ProcessWords *words, GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_auto(Program) program = PROGRAM_NONE;

    if (!program_begin(cli, sandbox, words->with_terminal, options, &program, &error))
        return cli_fail(cli, error);
    print_number(cli, &program);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(ProcessWords) words = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    const GOptionEntry entries[] = {
        PROCESS_OPTIONS(words),
        {"keep", 'd', 0, G_OPTION_ARG_NONE, &words.is_kept,
         "Start it, print its number and leave it behind; see cloche attach", NULL},
        {"detach", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &words.is_kept,
         "As --keep, for those who know docker", NULL},
        {"tag", 0, 0, G_OPTION_ARG_FILENAME, &words.tag,
         "With --keep: a note that 'cloche ps' shows", "TEXT"},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (!process_check(cli, &words))
        return CLI_USAGE;
    options = process_options(cli, &words, &error);
    if (options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(options);
    sandbox = sandbox_find(cli, cli->words[0], &error);
    if (sandbox == NULL)
        return cli_fail(cli, error);
    return words.is_kept ? leave_behind(cli, sandbox, &words, options)
                         : process_run(cli, sandbox, sandbox_id(sandbox), &words, options);
}

const Verb verb_exec = {
    .name = "exec",
    .synopsis = "ID -- COMMAND...",
    .summary = "Runs a command in a sandbox that lives.",
    .description =
        "The exit status is the command's (128 and the signal's number when a signal ended it, "
        "124\n"
        "when its --timeout was over).\n"
        "Interrupting this program kills the command; the sandbox goes on. Standard input is the\n"
        "command's with --stdin only, so that a loop that reads from it loses nothing.\n"
        "Without '--' the command begins behind ID, and the options of exec stand before it.\n"
        "-it is --stdin --tty. -t alone is --timeout when a TIME follows, and --tty otherwise.\n"
        "\n"
        "Examples:\n"
        "  id=$(cloche create)\n"
        "  cloche exec $id -- ls -l /\n"
        "  cloche exec -it $id bash\n"
        "  cloche exec $id --stdin -- sh -c 'cat > notes.txt' < notes.txt\n"
        "  cloche exec $id --cwd /tmp --user root -- touch file\n"
        "  number=$(cloche exec $id --keep --tag web -- python3 -m http.server 8000)",
    .takes_command = TRUE,
    .has_command_after_id = TRUE,
    .run = run,
};
