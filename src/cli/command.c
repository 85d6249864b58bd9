/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * command: standard input is read only on request, so that a loop around "cloche exec" does not
 * lose the lines that it reads.
 */
#include "command.h"

#include <unistd.h>

#include "input.h"
#include "options.h"
#include "program.h"

#define STDIN_MAX (1024 * 1024)

void
command_options_clear(CommandOptions *options)
{
    g_free(options->cwd);
    g_strfreev(options->environment);
    g_free(options->user);
    g_free(options->timeout);
    g_free(options->tag);
}

/* The reply to Run(). */
typedef struct {
    int status;
    char *out;
    char *err;
    GVariant *details;
} RunAnswer;

static void
run_answer_clear(RunAnswer *answer)
{
    g_free(answer->out);
    g_free(answer->err);
    g_clear_pointer(&answer->details, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunAnswer, run_answer_clear)

GArray *
command_entries(CommandOptions *options, GOptionFlags stream_flags)
{
    const GOptionEntry entries[] = {
        {"cwd", 'w', 0, G_OPTION_ARG_FILENAME, &options->cwd,
         "Working directory (default: the user's home)", "DIR"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->environment,
         "Set an environment variable; may be repeated", "KEY=VALUE"},
        {"user", 'u', 0, G_OPTION_ARG_FILENAME, &options->user,
         "A user of the sandbox, by name or number", "USER"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &options->timeout,
         "Kill the command after this time: 90, 5m, 1h30m, 2d (default: never)", "TIME"},
        {"stdin", 'i', stream_flags, G_OPTION_ARG_NONE, &options->with_stdin,
         "Pass standard input to the command", NULL},
        {"tty", 0, stream_flags, G_OPTION_ARG_NONE, &options->with_terminal,
         "Run the command on a terminal, as 'cloche shell' does", NULL},
        /* docker's names */
        {"workdir", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &options->cwd, "", NULL},
        {"interactive", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->with_stdin, "", NULL},
    };
    GArray *all = g_array_new(/* zero_terminated= */ TRUE, FALSE, sizeof(GOptionEntry));

    return g_array_append_vals(all, entries, G_N_ELEMENTS(entries));
}

gboolean
command_check(Cli *cli, const CommandOptions *options)
{
    if (cli->json && options->with_terminal && !options->is_kept)
        cli_usage(
            cli,
            "--tty cannot be given with --json: a terminal does not separate output and errors");
    else if (options->tag != NULL && !options->is_kept)
        cli_usage(cli, "--tag needs --keep: it names a command that continues to run");
    else
        return TRUE;
    return FALSE;
}

static GVariant *
read_stdin(GError **error)
{
    g_autoptr(GString) input = input_read(STDIN_FILENO, STDIN_MAX, "standard input", error);

    if (input == NULL)
        return NULL;
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, input->str, input->len, 1);
}

/* With --json the output is text, which Run() returns. A kept command has no output yet. */
static gboolean
is_captured(Cli *cli, const CommandOptions *options)
{
    return cli->json && !options->is_kept;
}

static gboolean
add_stdin(GVariantDict *options, GError **error)
{
    GVariant *input = read_stdin(error);

    if (input != NULL)
        g_variant_dict_insert_value(options, "stdin", input);
    return input != NULL;
}

GVariant *
command_call_options(Cli *cli, const CommandOptions *options, GError **error)
{
    g_auto(GVariantDict) call_options = G_VARIANT_DICT_INIT(NULL);

    if (!options_add_timeout(&call_options, options->timeout, error) ||
        !options_add_environment(&call_options, options->environment, error))
        return NULL;
    options_add_text(&call_options, "cwd", options->cwd);
    options_add_text(&call_options, "user", options->user);
    options_add_text(&call_options, "tag", options->tag);
    if (options->is_kept) {
        g_variant_dict_insert(&call_options, "keep", "b", TRUE);
        g_variant_dict_insert(&call_options, "detached", "b", TRUE);
    }
    if (is_captured(cli, options)) {
        if (options->with_stdin && !add_stdin(&call_options, error))
            return NULL;
    } else if (!options->with_stdin && !options->with_terminal) {
        g_variant_dict_insert(&call_options, "no-stdin", "b", TRUE);
    }
    return g_variant_dict_end(&call_options);
}

static int
show_json(const char *id, const RunAnswer *answer)
{
    JsonObject *object = json_object_new();
    const char *how = "exited";

    g_variant_lookup(answer->details, "how", "&s", &how);
    json_object_set_string_member(object, "sandbox", id);
    json_object_set_int_member(object, "exit_status", answer->status);
    json_object_set_string_member(object, "stdout", answer->out);
    json_object_set_string_member(object, "stderr", answer->err);
    json_object_set_member(object, "details", json_from_variant(answer->details));
    cli_print_object(object);
    if (!cli_flush())
        return CLI_FAILED;
    return g_str_equal(how, "timed-out") ? CLI_TIMED_OUT : answer->status;
}

static int
run_captured(Cli *cli, ClocheSandbox *sandbox, const char *id, GVariant *options)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(RunAnswer) answer = {0};

    cloche_sandbox_call_run(sandbox, (const char *const *)cli->command, options, CLIENT_CALL,
                            cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_run_finish(sandbox, &answer.status, &answer.out, &answer.err,
                                        &answer.details, reply, &error))
        return cli_fail(cli, error);
    return show_json(id, &answer);
}

int
command_run(Cli *cli, ClocheSandbox *sandbox, const char *id, const CommandOptions *options,
            GVariant *call_options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(NetworkHint) hint = NULL;
    g_auto(ProcessStreams) program = PROGRAM_NONE;

    if (is_captured(cli, options))
        return run_captured(cli, sandbox, id, call_options);
    if (!options->with_terminal)
        hint = network_hint_new(cli, sandbox, options->is_alone);
    program.hint = hint;
    if (!program_begin(cli, sandbox, options->with_terminal, call_options, &program, &error))
        return cli_fail(cli, error);
    network_hint_follow(hint);
    return program_follow(cli, &program, options->with_stdin);
}
