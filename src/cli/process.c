/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process: standard input is read only when asked for, so that a loop over "cloche exec" loses
 * none of what it reads from. */
#include "process.h"

#include <unistd.h>

#include "input.h"
#include "options.h"
#include "program.h"

#define STDIN_MAX (16 * 1024 * 1024)

void
process_words_clear(ProcessWords *words)
{
    g_free(words->cwd);
    g_strfreev(words->environment);
    g_free(words->user);
    g_free(words->timeout);
    g_free(words->tag);
}

/* What Run() answered. */
typedef struct {
    int status;
    char *out;
    char *err;
    GVariant *details;
} End;

static void
end_clear(End *end)
{
    g_free(end->out);
    g_free(end->err);
    g_clear_pointer(&end->details, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(End, end_clear)

gboolean
process_check(Cli *cli, const ProcessWords *words)
{
    if (cli->json && words->with_terminal && !words->is_kept)
        cli_usage(cli, "--json gives output apart, --tty together: choose one");
    else if (words->tag != NULL && !words->is_kept)
        cli_usage(cli, "--tag is for what stays: add --keep");
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

/* --json tells the output as text, which Run() has; what is kept has none yet. */
static gboolean
is_captured(Cli *cli, const ProcessWords *words)
{
    return cli->json && !words->is_kept;
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
process_options(Cli *cli, const ProcessWords *words, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    if (!options_add_timeout(&options, words->timeout, error) ||
        !options_add_environment(&options, words->environment, error))
        return NULL;
    options_add_text(&options, "cwd", words->cwd);
    options_add_text(&options, "user", words->user);
    options_add_text(&options, "tag", words->tag);
    if (words->is_kept) {
        g_variant_dict_insert(&options, "keep", "b", TRUE);
        g_variant_dict_insert(&options, "detached", "b", TRUE);
    }
    if (is_captured(cli, words)) {
        if (words->with_stdin && !add_stdin(&options, error))
            return NULL;
    } else if (!words->with_stdin && !words->with_terminal) {
        g_variant_dict_insert(&options, "no-stdin", "b", TRUE);
    }
    return g_variant_dict_end(&options);
}

static int
show_json(const char *id, const End *end)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    const char *how = "exited";

    g_variant_lookup(end->details, "how", "&s", &how);
    json_object_set_string_member(object, "sandbox", id);
    json_object_set_int_member(object, "exit_status", end->status);
    json_object_set_string_member(object, "stdout", end->out);
    json_object_set_string_member(object, "stderr", end->err);
    json_object_set_member(object, "details", json_from_variant(end->details));
    json_node_take_object(node, object);
    cli_print_json(node);
    if (!cli_flush())
        return CLI_FAILED;
    return g_str_equal(how, "timed-out") ? CLI_TIMED_OUT : end->status;
}

static int
run_captured(Cli *cli, ClocheSandbox *sandbox, const char *id, GVariant *options)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(End) end = {0};

    cloche_sandbox_call_run(sandbox, (const char *const *)cli->command, options, CLIENT_CALL,
                            cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_run_finish(sandbox, &end.status, &end.out, &end.err, &end.details,
                                        reply, &error))
        return cli_fail(cli, error);
    return show_json(id, &end);
}

int
process_run(Cli *cli, ClocheSandbox *sandbox, const char *id, const ProcessWords *words,
            GVariant *options)
{
    g_autoptr(GError) error = NULL;
    g_auto(Program) program = PROGRAM_NONE;

    if (is_captured(cli, words))
        return run_captured(cli, sandbox, id, options);
    if (!program_begin(cli, sandbox, words->with_terminal, options, &program, &error))
        return cli_fail(cli, error);
    return program_follow(cli, &program, words->with_stdin);
}
