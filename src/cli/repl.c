/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repl: a prompt that executes code in a new sandbox or in an existing one. */
#include <unistd.h>

#include "execution.h"
#include "language.h"
#include "options.h"
#include "prompt.h"
#include "sandbox.h"
#include "template.h"
#include "verbs.h"

typedef struct {
    char *template;
    char *sandbox;
    char *context;
    char *save;
    NetworkOptions network_options;
    NetworkPolicy network;
} ReplSettings;

static void
repl_settings_clear(ReplSettings *settings)
{
    g_free(settings->template);
    g_free(settings->sandbox);
    g_free(settings->context);
    g_free(settings->save);
    network_options_clear(&settings->network_options);
    network_policy_clear(&settings->network);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplSettings, repl_settings_clear)

static gboolean
sandbox_is_gone(const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX) ||
           g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
}

/* --- whether an entry is complete --- */

typedef struct {
    Cli *cli;
    const Execution *execution;
    gboolean has_hinted;
} Dialog;

static void
on_interrupt(gpointer data)
{
    g_cancellable_cancel(data);
    fputs("^C\n", stdout);
}

static void
on_signal(GCancellable *interrupted, gpointer leaving)
{
    g_cancellable_cancel(leaving);
}

static GVariant *
check_options(const Execution *execution)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    options_add_text(&options, "context", execution->context);
    if (execution->context == NULL)
        options_add_text(&options, "language", execution->language);
    return g_variant_dict_end(&options);
}

/* "unknown" after an error: the execution reports it, unless only the check failed. */
static char *
ask_interpreter(Cli *cli, const Execution *execution, const char *entry, GCancellable *leaving)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *indent = NULL;
    char *status = NULL;

    cloche_sandbox_call_is_complete(execution->sandbox, entry, check_options(execution),
                                    CLIENT_CALL, leaving, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_is_complete_finish(execution->sandbox, &status, &indent, reply,
                                                /* error= */ NULL))
        return g_strdup("unknown");
    return status;
}

static PromptAction
check_entry(const char *entry, gpointer data)
{
    Dialog *dialog = data;
    Cli *cli = dialog->cli;
    g_autoptr(GCancellable) leaving = g_cancellable_new();
    g_autofree char *status = NULL;
    gulong connection;

    connection = g_cancellable_connect(cli->interrupted, G_CALLBACK(on_signal), leaving,
                                       /* destroy= */ NULL);
    cli->on_interrupt = on_interrupt;
    cli->interrupt_data = leaving;
    status = ask_interpreter(cli, dialog->execution, entry, leaving);
    cli->on_interrupt = NULL;
    g_cancellable_disconnect(cli->interrupted, connection);
    if (g_cancellable_is_cancelled(leaving))
        return PROMPT_DISCARD;
    if (g_str_equal(status, "unknown") && !dialog->has_hinted) {
        cli_note("this interpreter cannot tell whether code is complete: Enter executes it, and "
                 "Alt-Enter adds a line");
        dialog->has_hinted = TRUE;
    }
    return g_str_equal(status, "incomplete") ? PROMPT_READ_ON : PROMPT_EXECUTE;
}

/* --- the dialog --- */

/* Errors of the code are shown with its output and do not change the exit status. */
static int
read_and_run(Cli *cli, const Execution *execution)
{
    g_autofree char *code = NULL;

    while (code = prompt_read(cli), code != NULL) {
        g_autoptr(GError) error = NULL;

        execution_run(cli, execution, code, &error);
        g_clear_pointer(&code, g_free);
        if (error != NULL)
            cli_fail(cli, error);
        if (error != NULL && sandbox_is_gone(error))
            return CLI_FAILED;
    }
    return cli->signal != 0 ? 128 + cli->signal : CLI_OK;
}

static char *
find_language(Cli *cli, const ReplSettings *settings, ClocheSandbox *sandbox, GError **error)
{
    if (cli->arguments[0] != NULL)
        return languages_canonical(cli->arguments[0]);
    if (settings->context != NULL)
        return language_of_context(cli, sandbox, settings->context, error);
    return language_of_sandbox(cli, sandbox, error);
}

static int
talk(Cli *cli, const ReplSettings *settings, ClocheSandbox *sandbox)
{
    const char *id = client_sandbox_id(g_dbus_proxy_get_object_path(G_DBUS_PROXY(sandbox)));
    Gallery gallery = {.cli = cli,
                       .sandbox = sandbox,
                       .directory = settings->save,
                       .stays = settings->sandbox != NULL,
                       .next_number = 1};
    Execution execution = {.sandbox = sandbox,
                           .context = settings->context,
                           .gallery = &gallery,
                           .is_alone = settings->sandbox == NULL,
                           .is_dialog = TRUE};
    Dialog dialog = {.cli = cli, .execution = &execution};
    /* Another terminal can change the network while the prompt is open. */
    g_autoptr(NetworkHint) hint = network_hint_new(cli, sandbox, /* is_alone= */ FALSE);
    g_autoptr(GError) error = NULL;
    g_autofree char *language = NULL;
    int status;

    language =
        gallery_prepare(&gallery, &error) ? find_language(cli, settings, sandbox, &error) : NULL;
    if (error != NULL)
        return cli_fail(cli, error);
    execution.language = language;
    execution.hint = hint;
    prompt_begin(language != NULL ? language : "code", check_entry, &dialog);
    printf("%s in sandbox %s. Ctrl-D leaves%s.\n", language != NULL ? language : "Code", id,
           settings->sandbox != NULL ? "" : ", which ends the sandbox");
    status = read_and_run(cli, &execution);
    prompt_end();
    return status;
}

static int
talk_leased(Cli *cli, const ReplSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SandboxLease) lease =
        sandbox_lease(cli, settings->template, &settings->network, &error);

    return lease != NULL ? talk(cli, settings, sandbox_lease_get(lease)) : cli_fail(cli, error);
}

static int
talk_living(Cli *cli, const ReplSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, settings->sandbox, &error);

    if (sandbox == NULL)
        return cli_fail(cli, error);
    template_warn_emulated(cli);
    return talk(cli, settings, sandbox);
}

static int
check_settings(Cli *cli, const ReplSettings *settings)
{
    const char *network_option = network_options_given(&settings->network_options);

    if (settings->sandbox != NULL && settings->template != NULL)
        return cli_usage(cli, "--template cannot be given with --sandbox, which already has one");
    if (settings->sandbox != NULL && network_option != NULL)
        return cli_usage(
            cli, "--%s cannot be given with --sandbox: 'cloche network %s' changes its network",
            network_option, settings->sandbox);
    if (settings->context != NULL && settings->sandbox == NULL)
        return cli_usage(cli,
                         "--context needs --sandbox ID: it names a context of an existing sandbox");
    if (settings->context != NULL && cli->arguments[0] != NULL)
        return cli_usage(cli, "'%s' cannot be given with --context, which already has a language",
                         cli->arguments[0]);
    if (cli->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return cli_usage(
            cli,
            "repl needs a terminal, and has no --json; 'cloche code' executes code without one");
    return CLI_OK;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(ReplSettings) settings = {0};
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"sandbox", 's', 0, G_OPTION_ARG_FILENAME, &settings.sandbox,
         "Run it in this sandbox, which keeps variables", "ID"},
        {"context", 0, 0, G_OPTION_ARG_FILENAME, &settings.context,
         "With --sandbox: the context (default: that of the language)", "ID"},
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &settings.template, "Template of a new sandbox",
         "NAME"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &settings.save,
         "Save pictures, PDF and HTML to this directory, as 001.png and so on", "DIR"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GArray) all = network_options_entries(&settings.network_options, entries);
    int status;

    if (!cli_parse_arguments(cli, (const GOptionEntry *)all->data, argv, /* min= */ 0, /* max= */ 1,
                             &status))
        return status;
    status = check_settings(cli, &settings);
    if (status != CLI_OK)
        return status;
    if (!network_options_read(&settings.network_options, "the prompt", &settings.network, &error) ||
        !cli_connect(cli, &error))
        return cli_fail(cli, error);
    return settings.sandbox != NULL ? talk_living(cli, &settings) : talk_leased(cli, &settings);
}

const Verb verb_repl = {
    .name = "repl",
    .synopsis = "[LANGUAGE]",
    .summary = "Open a prompt that runs code in a sandbox.",
    .description =
        "Without --sandbox, in a new sandbox that is killed when the prompt ends.\n"
        "Enter executes an entry when the interpreter reports that it is complete; Alt-Enter adds\n"
        "a line. Ctrl-C discards the typed text, or interrupts the running code; a second Ctrl-C\n"
        "does not wait for the code. Ctrl-D leaves. The history is in $XDG_STATE_HOME/cloche\n"
        "(default: ~/.local/state/cloche).\n"
        "\n"
        "Examples:\n"
        "  cloche repl\n"
        "  cloche repl javascript\n"
        "  cloche repl --sandbox $id",
    .run = run,
};
