/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code: code in an interpreter, in a new sandbox or in an existing one.
 *
 * A new sandbox is leased (sandbox.h): it ends with the code, and soon after this program if that
 * is killed.
 */
#include "execution.h"
#include "language.h"
#include "options.h"
#include "sandbox.h"
#include "source.h"
#include "template.h"
#include "verbs.h"

/* The default of Manager.RunCode(), which also uses a new sandbox. */
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
    NetworkOptions network_options;
    NetworkPolicy network;
} CodeSettings;

static void
code_settings_clear(CodeSettings *settings)
{
    g_free(settings->code);
    g_free(settings->language);
    g_free(settings->template);
    g_free(settings->sandbox);
    g_free(settings->context);
    g_free(settings->save);
    g_free(settings->timeout);
    g_strfreev(settings->environment);
    network_options_clear(&settings->network_options);
    network_policy_clear(&settings->network);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CodeSettings, code_settings_clear)

/* --- the code --- */

/* Reads the code. Its language is that of --language or of the file's name; a context has one. */
static gboolean
take_code(Cli *cli, CodeSettings *settings, GError **error)
{
    const char *file = cli->arguments[0] != NULL ? cli->arguments[0] : "-";
    g_autofree char *given = g_steal_pointer(&settings->language);

    if (given != NULL)
        settings->language = languages_canonical(given);
    else if (settings->context == NULL)
        settings->language = g_strdup(languages_of_file(file));
    if (settings->code == NULL)
        settings->code = source_read(file, error);
    return settings->code != NULL;
}

static gboolean
read_network(const Cli *cli, CodeSettings *settings, GError **error)
{
    gboolean is_code_input = settings->code == NULL &&
                             (cli->arguments[0] == NULL || g_str_equal(cli->arguments[0], "-"));

    return network_options_read(&settings->network_options, is_code_input ? "the code" : NULL,
                                &settings->network, error);
}

/* --- running it --- */

static GVariant *
code_options(const CodeSettings *settings, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    const char *timeout = settings->sandbox == NULL ? OWN_TIMEOUT : NULL;

    if (!options_add_timeout(&options, settings->timeout != NULL ? settings->timeout : timeout,
                             error) ||
        !options_add_environment(&options, settings->environment, error))
        return NULL;
    g_variant_dict_insert(&options, "drain", "b", TRUE);
    return g_variant_dict_end(&options);
}

/* The language determines which context Ctrl-C interrupts. */
static gboolean
find_language(Cli *cli, CodeSettings *settings, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (settings->language == NULL && settings->context == NULL)
        settings->language = language_of_sandbox(cli, sandbox, &problem);
    if (problem != NULL)
        g_propagate_error(error, g_steal_pointer(&problem));
    return *error == NULL;
}

static int
run_in(Cli *cli, CodeSettings *settings, ClocheSandbox *sandbox, GVariant *options,
       Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(NetworkHint) hint = NULL;
    Execution execution = {.sandbox = sandbox,
                           .context = settings->context,
                           .options = options,
                           .gallery = gallery,
                           .is_alone = settings->sandbox == NULL};
    int status;

    if (!find_language(cli, settings, sandbox, &error))
        return cli_fail(cli, error);
    gallery->sandbox = sandbox;
    execution.language = settings->language;
    if (cli->json)
        return execution_print(cli, &execution, settings->code);
    hint = network_hint_new(cli, sandbox, execution.is_alone);
    execution.hint = hint;
    status = execution_run(cli, &execution, settings->code, &error);
    return error != NULL ? cli_fail(cli, error) : status;
}

static int
run_leased(Cli *cli, CodeSettings *settings, GVariant *options, Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease =
        sandbox_lease(cli, settings->template, &settings->network, &error);

    if (lease == NULL)
        return cli_fail(cli, error);
    return run_in(cli, settings, sandbox_lease_get(lease), options, gallery);
}

static int
run_living(Cli *cli, CodeSettings *settings, GVariant *options, Gallery *gallery)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, settings->sandbox, &error);

    if (sandbox == NULL)
        return cli_fail(cli, error);
    template_warn_emulated(cli);
    return run_in(cli, settings, sandbox, options, gallery);
}

static int
run_code(Cli *cli, CodeSettings *settings)
{
    Gallery gallery = {.cli = cli,
                       .directory = settings->save,
                       .stays = settings->sandbox != NULL,
                       .next_number = 1};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = code_options(settings, &error);

    if (options != NULL)
        g_variant_ref_sink(options);
    if (options == NULL || !read_network(cli, settings, &error) ||
        !take_code(cli, settings, &error) || !gallery_prepare(&gallery, &error) ||
        !cli_connect(cli, &error))
        return cli_fail(cli, error);
    return settings->sandbox != NULL ? run_living(cli, settings, options, &gallery)
                                     : run_leased(cli, settings, options, &gallery);
}

static int
check_settings(Cli *cli, const CodeSettings *settings)
{
    const char *network_option = network_options_given(&settings->network_options);

    if (settings->code != NULL && cli->arguments[0] != NULL)
        return cli_usage(cli, "-c cannot be given with a file");
    if (settings->sandbox != NULL && settings->template != NULL)
        return cli_usage(cli, "--template cannot be given with --sandbox, which already has one");
    if (settings->sandbox != NULL && network_option != NULL)
        return cli_usage(
            cli, "--%s cannot be given with --sandbox: 'cloche network %s' changes its network",
            network_option, settings->sandbox);
    if (settings->context != NULL && settings->sandbox == NULL)
        return cli_usage(cli,
                         "--context needs --sandbox ID: it names a context of an existing sandbox");
    if (settings->context != NULL && settings->language != NULL)
        return cli_usage(cli, "--language cannot be given with --context, which already has one");
    return CLI_OK;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(CodeSettings) settings = {0};
    const GOptionEntry entries[] = {
        {"code", 'c', 0, G_OPTION_ARG_FILENAME, &settings.code, "Code to run", "CODE"},
        {"language", 'l', 0, G_OPTION_ARG_FILENAME, &settings.language,
         "Language (default: by the file's name, or the template's first)", "LANGUAGE"},
        {"sandbox", 's', 0, G_OPTION_ARG_FILENAME, &settings.sandbox,
         "Run it in this sandbox, which keeps variables", "ID"},
        {"context", 0, 0, G_OPTION_ARG_FILENAME, &settings.context,
         "With --sandbox: the context (default: that of the language)", "ID"},
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &settings.template, "Template of a new sandbox",
         "NAME"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &settings.save,
         "Save pictures, PDF and HTML to this directory, as 001.png and so on", "DIR"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &settings.timeout,
         "Stop the code after this time: 90, 5m, 2h (default: 1m; with --sandbox: never)", "TIME"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.environment,
         "Set an environment variable; may be repeated", "KEY=VALUE"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GArray) all = network_options_entries(&settings.network_options, entries);
    int status;

    if (!cli_parse_arguments(cli, (const GOptionEntry *)all->data, argv, /* min= */ 0, /* max= */ 1,
                             &status))
        return status;
    status = check_settings(cli, &settings);
    return status == CLI_OK ? run_code(cli, &settings) : status;
}

const Verb verb_code = {
    .name = "code",
    .synopsis = "[FILE | - | -c CODE]",
    .summary = "Run code in a new sandbox, or in an existing one.",
    .description =
        "Without FILE, or with '-', the code is read from standard input.\n"
        "Output is written as it arrives, then the value of the last expression. Terminals that\n"
        "support it show pictures, as a notebook does. The execution ends when a script would "
        "end:\n"
        "after the timers, servers and threads that the code started. The exit status is 1 if the\n"
        "code raised an error, 124 if its --timeout expired, and 130 if Ctrl-C interrupted it.\n"
        "\n"
        "Examples:\n"
        "  cloche code -c 'sum(range(10))'\n"
        "  cloche code --save charts plot.py\n"
        "  cloche code --network internet download.py\n"
        "  id=$(cloche create); cloche code -s $id -c 'x = 6'; cloche code -s $id -c 'x * 7'",
    .when_too_many = "'cloche exec ID -- python3 FILE ARGUMENT...' runs a program with arguments",
    .run = run,
};
