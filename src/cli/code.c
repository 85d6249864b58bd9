/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code: code in a sandbox's interpreter, in a new sandbox or in one that lives.
 *
 * A new sandbox is the service's affair (Manager.RunCode): it ends with the code, and also when
 * this program leaves the bus, however that happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "execution.h"
#include "input.h"
#include "options.h"
#include "sandbox.h"
#include "template.h"
#include "term.h"
#include "text.h"
#include "verbs.h"

#define CODE_MAX (1024 * 1024)

typedef struct {
    char *code;
    char *language;
    char *template;
    char *sandbox;
    char *save;
    char *timeout;
    char **environment;
} Words;

static void
words_clear(Words *words)
{
    g_free(words->code);
    g_free(words->language);
    g_free(words->template);
    g_free(words->sandbox);
    g_free(words->save);
    g_free(words->timeout);
    g_strfreev(words->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

static int
open_source(const char *file, GError **error)
{
    int fd;

    if (g_str_equal(file, "-")) {
        if (term_is_terminal(stdin))
            cli_note("reading code from the terminal; Ctrl-D ends it");
        return STDIN_FILENO;
    }
    fd = g_open(file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot read '%s': %s",
                    file, g_strerror(errno));
    return fd;
}

static char *
read_code(const char *file, GError **error)
{
    g_autoptr(GByteArray) input = NULL;
    int fd = open_source(file, error);

    if (fd < 0)
        return NULL;
    input = input_read(fd, CODE_MAX, "the code", error);
    if (fd != STDIN_FILENO)
        close(fd);
    if (input == NULL)
        return NULL;
    if (!g_utf8_validate_len((const char *)input->data, input->len, /* end= */ NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "the code in '%s' is not UTF-8 text", file);
        return NULL;
    }
    return g_strndup((const char *)input->data, input->len);
}

/* Before the code runs: results that cannot be saved are no use. */
static gboolean
prepare_folder(const char *folder, GError **error)
{
    if (folder == NULL ||
        (g_mkdir_with_parents(folder, 0777) == 0 && g_access(folder, W_OK | X_OK) == 0))
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot save to '%s': %s",
                folder, g_strerror(errno));
    return FALSE;
}

static GVariant *
code_options(const Words *words, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    options_add_text(&options, "template", words->template);
    if (words->sandbox != NULL)
        options_add_text(&options, "language", words->language);
    if (!options_add_timeout(&options, words->timeout, error) ||
        !options_add_pairs(&options, "environment", words->environment, error))
        return NULL;
    return g_variant_dict_end(&options);
}

static GVariant *
run_in_sandbox(Cli *cli, const Words *words, GVariant *options, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, words->sandbox, error);
    GVariant *execution;

    if (sandbox == NULL)
        return NULL;
    template_warn_emulated(cli);
    cloche_sandbox_call_run_code(sandbox, words->code, options, CLIENT_CALL, cli->interrupted,
                                 cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_run_code_finish(sandbox, &execution, reply, error))
        return NULL;
    return execution;
}

/* The template's first language is what a sandbox of it would take, too. */
static char *
choose_language(const Words *words, GVariant *template)
{
    g_autofree const char **languages = NULL;

    if (words->language != NULL)
        return g_strdup(words->language);
    if (template != NULL && g_variant_lookup(template, "languages", "^a&s", &languages) &&
        languages[0] != NULL)
        return g_strdup(languages[0]);
    return g_strdup("python");
}

static GVariant *
call_manager(Cli *cli, const Words *words, GVariant *options, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GVariant) template = template_await(cli, words->template, &problem);
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *language = NULL;
    GVariant *execution;

    if (problem != NULL) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
    }
    template_warn_emulated(cli);
    language = choose_language(words, template);
    cloche_manager_call_run_code(cli->manager, language, words->code, options, CLIENT_CALL,
                                 cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_manager_call_run_code_finish(cli->manager, &execution, reply, error))
        return NULL;
    return execution;
}

static GVariant *
run_alone(Cli *cli, const Words *words, GVariant *options, GError **error)
{
    g_autoptr(GError) problem = NULL;
    GVariant *execution;

    do
        execution = call_manager(cli, words, options, &problem);
    while (execution == NULL && template_is_coming(cli, words->template, &problem));
    if (problem != NULL)
        g_propagate_error(error, g_steal_pointer(&problem));
    return execution;
}

static int
run_code(Cli *cli, Words *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = NULL;
    g_autoptr(GVariant) execution = NULL;

    options = code_options(words, &error);
    if (options == NULL)
        return cli_fail(cli, error);
    g_variant_ref_sink(options);
    if (words->code == NULL)
        words->code = read_code(cli->words[0] != NULL ? cli->words[0] : "-", &error);
    if (words->code == NULL || !prepare_folder(words->save, &error) || !cli_connect(cli, &error))
        return cli_fail(cli, error);
    execution = words->sandbox != NULL ? run_in_sandbox(cli, words, options, &error)
                                       : run_alone(cli, words, options, &error);
    return execution != NULL ? execution_show(cli, execution, words->save) : cli_fail(cli, error);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Words) words = {0};
    const GOptionEntry entries[] = {
        {"code", 'c', 0, G_OPTION_ARG_FILENAME, &words.code, "The code itself", "CODE"},
        {"language", 'l', 0, G_OPTION_ARG_FILENAME, &words.language,
         "Its language (the template's first)", "LANGUAGE"},
        {"sandbox", 's', 0, G_OPTION_ARG_FILENAME, &words.sandbox,
         "Run it in this one, which keeps its variables", "ID"},
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &words.template,
         "What a new sandbox is made from", "NAME"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &words.save,
         "Save each picture there, as chart-1.png and so on", "DIR"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &words.timeout,
         "Stop it after that time: 90, 5m, 2h (1m; in --sandbox: never)", "TIME"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &words.environment,
         "Add to its environment; can be given many times", "KEY=VALUE"},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 0, /* max= */ 1, &status))
        return status;
    if (words.code != NULL && cli->words[0] != NULL)
        return cli_usage(cli, "give either -c CODE or a file, not both");
    if (words.sandbox != NULL && words.template != NULL)
        return cli_usage(cli, "--sandbox has its template already; leave --template out");
    return run_code(cli, &words);
}

const Verb verb_code = {
    .name = "code",
    .synopsis = "[FILE | - | -c CODE]",
    .summary = "Runs code in a sandbox of its own, or in one that lives.",
    .description =
        "Without a file, or with '-', the code is read from standard input.\n"
        "The value of the last expression is printed, as in a notebook. The exit status is 1 when\n"
        "the code raised an error; its traceback goes to standard error.\n"
        "\n"
        "Examples:\n"
        "  cloche code -c 'sum(range(10))'\n"
        "  cloche code --save charts plot.py\n"
        "  id=$(cloche create); cloche code -s $id -c 'x = 6'; cloche code -s $id -c 'x * 7'",
    .run = run,
};
