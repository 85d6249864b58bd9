/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process: standard input is read only when asked for, so that a loop over "cloche exec" loses
 * none. */
#include "process.h"

#include <unistd.h>

#include "input.h"
#include "options.h"
#include "text.h"

#define STDIN_MAX (16 * 1024 * 1024)

void
process_words_clear(ProcessWords *words)
{
    g_free(words->cwd);
    g_strfreev(words->environment);
    g_free(words->user);
    g_free(words->timeout);
}

void
process_end_clear(ProcessEnd *end)
{
    g_free(end->out);
    g_free(end->err);
    g_clear_pointer(&end->details, g_variant_unref);
}

static GVariant *
read_stdin(GError **error)
{
    g_autoptr(GByteArray) input = input_read(STDIN_FILENO, STDIN_MAX, "standard input", error);

    if (input == NULL)
        return NULL;
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, input->data, input->len, 1);
}

GVariant *
process_options(const ProcessWords *words, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    GVariant *input;

    if (!options_add_timeout(&options, words->timeout, error) ||
        !options_add_pairs(&options, "environment", words->environment, error))
        return NULL;
    options_add_text(&options, "cwd", words->cwd);
    options_add_text(&options, "user", words->user);
    if (words->with_stdin) {
        input = read_stdin(error);
        if (input == NULL)
            return NULL;
        g_variant_dict_insert_value(&options, "stdin", input);
    }
    return g_variant_dict_end(&options);
}

gboolean
process_run(Cli *cli, ClocheSandbox *sandbox, GVariant *options, ProcessEnd *ret_end,
            GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_run(sandbox, (const char *const *)cli->command, options, CLIENT_CALL,
                            cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_run_finish(sandbox, &ret_end->status, &ret_end->out, &ret_end->err,
                                          &ret_end->details, reply, error);
}

static int
show_json(const char *id, const ProcessEnd *end)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_object_set_string_member(object, "sandbox", id);
    json_object_set_int_member(object, "exit_status", end->status);
    json_object_set_string_member(object, "stdout", end->out);
    json_object_set_string_member(object, "stderr", end->err);
    json_object_set_member(object, "details", json_from_variant(end->details));
    json_node_take_object(node, object);
    cli_print_json(node);
    return cli_flush() ? end->status : CLI_FAILED;
}

static void
note_truncation(const ProcessEnd *end, const char *stream)
{
    g_autofree char *flag_key = g_strconcat(stream, "-truncated", NULL);
    g_autofree char *size_key = g_strconcat(stream, "-size", NULL);
    g_autofree char *text = NULL;
    gboolean truncated = FALSE;
    guint64 size = 0;

    if (!g_variant_lookup(end->details, flag_key, "b", &truncated) || !truncated)
        return;
    g_variant_lookup(end->details, size_key, "t", &size);
    text = text_from_size(size);
    cli_note("%s is not whole: it wrote %s", stream, text);
}

static void
note_end(const ProcessEnd *end)
{
    const char *how = "";

    g_variant_lookup(end->details, "how", "&s", &how);
    if (g_str_equal(how, "timed-out"))
        cli_note("the command was killed when its --timeout was over");
    else if (g_str_equal(how, "out-of-memory"))
        cli_note("the command was killed because the sandbox has no more memory");
}

int
process_show(Cli *cli, const char *id, const ProcessEnd *end)
{
    if (cli->json)
        return show_json(id, end);
    fputs(end->out, stdout);
    if (!cli_flush())
        return CLI_FAILED;
    fputs(end->err, stderr);
    note_truncation(end, "stdout");
    note_truncation(end, "stderr");
    note_end(end);
    return end->status;
}
