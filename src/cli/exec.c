/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec: a command in an existing sandbox, followed to its end or left running. */
#include "command.h"
#include "program.h"
#include "sandbox.h"
#include "verbs.h"

static void
print_number(Cli *cli, const ProcessStreams *program)
{
    const char *path = g_dbus_proxy_get_object_path(G_DBUS_PROXY(program->process));
    JsonObject *object;

    if (!cli->json) {
        puts(program_number(program));
        return;
    }
    object = json_object_new();
    json_object_set_string_member(object, "process", path);
    json_object_set_int_member(object, "number",
                               g_ascii_strtoll(program_number(program), /* end= */ NULL, 10));
    cli_print_object(object);
}

static int
leave_behind(Cli *cli, ClocheSandbox *sandbox, const CommandOptions *options,
             GVariant *call_options)
{
    g_autoptr(GError) error = NULL;
    g_auto(ProcessStreams) program = PROGRAM_NONE;

    if (!program_begin(cli, sandbox, options->with_terminal, call_options, &program, &error))
        return cli_fail(cli, error);
    print_number(cli, &program);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(CommandOptions) options = {0};
    g_autoptr(GArray) entries = command_entries(&options, /* stream_flags= */ 0);
    const GOptionEntry own_entries[] = {
        {"keep", 'd', 0, G_OPTION_ARG_NONE, &options.is_kept,
         "Start the command, print its number and return; see cloche attach", NULL},
        {"detach", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options.is_kept, "", NULL},
        {"tag", 0, 0, G_OPTION_ARG_FILENAME, &options.tag,
         "With --keep: a note that 'cloche ps' shows", "TEXT"},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) call_options = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    int status;

    g_array_append_vals(entries, own_entries, G_N_ELEMENTS(own_entries));
    if (!cli_parse_arguments(cli, (const GOptionEntry *)entries->data, argv, /* min= */ 1,
                             /* max= */ 1, &status))
        return status;
    if (!command_check(cli, &options))
        return CLI_USAGE;
    call_options = command_call_options(cli, &options, &error);
    if (call_options == NULL || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    g_variant_ref_sink(call_options);
    sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL)
        return cli_fail(cli, error);
    return options.is_kept ? leave_behind(cli, sandbox, &options, call_options)
                           : command_run(cli, sandbox, sandbox_id(sandbox), &options, call_options);
}

const Verb verb_exec = {
    .name = "exec",
    .synopsis = "ID -- COMMAND...",
    .summary = "Run a command in an existing sandbox.",
    .description =
        "The exit status is that of the command: 128 plus the number of the signal if a signal\n"
        "ended it, 124 if its --timeout expired.\n"
        "Interrupting cloche kills the command, but not the sandbox. The command gets standard\n"
        "input only with --stdin, so that a shell loop that reads from it loses no data.\n"
        "Without '--', the command begins after ID, and options of exec go before ID.\n"
        "-it means --stdin --tty. -t alone means --timeout if a TIME follows, and --tty "
        "otherwise.\n"
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
