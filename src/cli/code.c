/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code: code in a sandbox's interpreter, in a new sandbox or in one that lives.
 *
 * A new sandbox is leased (sandbox.h): it ends with the code, and soon after this program however
 * that ends.
 */
#include "execution.h"
#include "language.h"
#include "options.h"
#include "sandbox.h"
#include "source.h"
#include "template.h"
#include "verbs.h"

/* As Manager.RunCode() has it, for code in a sandbox of its own. */
#define OWN_TIMEOUT "1m"

typedef struct {
    char *code;
    char *language;
    char *template;
    char *sandbox;
    char *context;
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
    g_free(words->context);
    g_free(words->save);
    g_free(words->timeout);
    g_strfreev(words->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* --- the code --- */

/* What --language or the file's name says; a context has its language already. */
static gboolean
take_code(Cli *cli, Words *words, GError **error)
{
    const char *file = cli->words[0] != NULL ? cli->words[0] : "-";
    g_autofree char *given = g_steal_pointer(&words->language);

    if (given != NULL)
        words->language = languages_canonical(given);
    else if (words->context == NULL)
        words->language = g_strdup(languages_of_file(file));
    if (words->code == NULL)
        words->code = source_read(file, error);
    return words->code != NULL;
}

/* --- running it --- */

static GVariant *
code_options(const Words *words, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    const char *timeout = words->sandbox == NULL ? OWN_TIMEOUT : NULL;

    if (!options_add_timeout(&options, words->timeout != NULL ? words->timeout : timeout, error) ||
        !options_add_environment(&options, words->environment, error))
        return NULL;
    g_variant_dict_insert(&options, "drain", "b", TRUE);
    return g_variant_dict_end(&options);
}

/* Which context is interrupted by Ctrl-C depends on the language. */
static gboolean
find_language(Cli *cli, Words *words, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (words->language == NULL && words->context == NULL)
        words->language = language_of_sandbox(cli, sandbox, &problem);
    if (problem != NULL)
        g_propagate_error(error, g_steal_pointer(&problem));
    return *error == NULL;
}

static int
run_in(Cli *cli, Words *words, ClocheSandbox *sandbox, GVariant *options, Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    Execution execution = {.sandbox = sandbox,
                           .context = words->context,
                           .options = options,
                           .gallery = gallery,
                           .is_alone = words->sandbox == NULL};
    int status;

    if (!find_language(cli, words, sandbox, &error))
        return cli_fail(cli, error);
    gallery->sandbox = sandbox;
    execution.language = words->language;
    if (cli->json)
        return execution_print(cli, &execution, words->code);
    status = execution_run(cli, &execution, words->code, &error);
    return error != NULL ? cli_fail(cli, error) : status;
}

static int
run_leased(Cli *cli, Words *words, GVariant *options, Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease = sandbox_lease(cli, words->template, &error);

    if (lease == NULL)
        return cli_fail(cli, error);
    return run_in(cli, words, sandbox_lease_get(lease), options, gallery);
}

static int
run_living(Cli *cli, Words *words, GVariant *options, Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, words->sandbox, &error);

    if (sandbox == NULL)
        return cli_fail(cli, error);
    template_warn_emulated(cli);
    return run_in(cli, words, sandbox, options, gallery);
}

static int
run_code(Cli *cli, Words *words)
{
    Gallery gallery = {
        .cli = cli, .directory = words->save, .stays = words->sandbox != NULL, .next_number = 1};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = code_options(words, &error);

    if (options != NULL)
        g_variant_ref_sink(options);
    if (options == NULL || !take_code(cli, words, &error) || !gallery_prepare(&gallery, &error) ||
        !cli_connect(cli, &error))
        return cli_fail(cli, error);
    return words->sandbox != NULL ? run_living(cli, words, options, &gallery)
                                  : run_leased(cli, words, options, &gallery);
}

static int
check_words(Cli *cli, const Words *words)
{
    if (words->code != NULL && cli->words[0] != NULL)
        return cli_usage(cli, "give either -c CODE or a file, not both");
    if (words->sandbox != NULL && words->template != NULL)
        return cli_usage(cli, "--sandbox has its template already; leave --template out");
    if (words->context != NULL && words->sandbox == NULL)
        return cli_usage(cli, "--context is one of a sandbox that lives: add --sandbox ID");
    if (words->context != NULL && words->language != NULL)
        return cli_usage(cli, "--context has its language already; leave --language out");
    return CLI_OK;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Words) words = {0};
    const GOptionEntry entries[] = {
        {"code", 'c', 0, G_OPTION_ARG_FILENAME, &words.code, "The code itself", "CODE"},
        {"language", 'l', 0, G_OPTION_ARG_FILENAME, &words.language,
         "Its language (what the file's name tells, or the template's first)", "LANGUAGE"},
        {"sandbox", 's', 0, G_OPTION_ARG_FILENAME, &words.sandbox,
         "Run it in this one, which keeps its variables", "ID"},
        {"context", 0, 0, G_OPTION_ARG_FILENAME, &words.context,
         "With --sandbox: in this context (the language's own)", "ID"},
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &words.template,
         "What a new sandbox is made from", "NAME"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &words.save,
         "Save pictures, PDF and HTML there, as 001.png and so on", "DIR"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &words.timeout,
         "Stop it after that time: 90, 5m, 2h (1m; in --sandbox: never)", "TIME"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &words.environment,
         "Add to its environment; can be given many times", "KEY=VALUE"},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 0, /* max= */ 1, &status))
        return status;
    status = check_words(cli, &words);
    return status == CLI_OK ? run_code(cli, &words) : status;
}

const Verb verb_code = {
    .name = "code",
    .synopsis = "[FILE | - | -c CODE]",
    .summary = "Runs code in a sandbox of its own, or in one that lives.",
    .description =
        "Without a file, or with '-', the code is read from standard input.\n"
        "Output comes as it is written; the value of the last expression is printed, and pictures\n"
        "are shown on terminals that can, as in a notebook. It ends when a script would: not "
        "before\n"
        "the timers, servers and threads that it started. The exit status is 1 when the code\n"
        "raised an error, 124 when its time was over, and 130 when Ctrl-C interrupted it.\n"
        "\n"
        "Examples:\n"
        "  cloche code -c 'sum(range(10))'\n"
        "  cloche code --save charts plot.py\n"
        "  id=$(cloche create); cloche code -s $id -c 'x = 6'; cloche code -s $id -c 'x * 7'",
    .when_too_many = "'cloche exec ID -- python3 FILE ARGUMENT...' runs a program with arguments",
    .run = run,
};
