/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context: interpreters of a sandbox with separate variables. */
#include "context.h"

#include "dictionary.h"
#include "language.h"
#include "options.h"
#include "sandbox.h"
#include "table.h"
#include "term.h"
#include "verbs.h"

typedef struct {
    char *language;
    char *cwd;
    char **environment;
} ContextSettings;

static void
context_settings_clear(ContextSettings *settings)
{
    g_free(settings->language);
    g_free(settings->cwd);
    g_strfreev(settings->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContextSettings, context_settings_clear)

/* --- list --- */

GVariant *
context_list(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *contexts;

    cloche_sandbox_call_list_contexts(sandbox, CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_list_contexts_finish(sandbox, &contexts, reply, error))
        return NULL;
    return contexts;
}

char *
context_states(GVariant *contexts)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < g_variant_n_children(contexts); i++) {
        g_autoptr(GVariant) context = g_variant_get_child_value(contexts, i);
        const char *state = dictionary_text(context, "state");

        if (!g_str_equal(state, "not-started"))
            g_string_append_printf(text, "%s%s (%s)", text->len > 0 ? ", " : "",
                                   dictionary_text(context, "id"), state);
    }
    return g_string_free(text, FALSE);
}

static void
add_row(Table *table, GVariant *context)
{
    guint32 count = 0;

    g_variant_lookup(context, "execution-count", "u", &count);
    table_add(table, dictionary_text(context, "id"));
    table_add(table, dictionary_text(context, "language"));
    table_add(table, dictionary_text(context, "state"));
    table_add_printf(table, "%u", count);
    table_add(table, dictionary_text(context, "cwd"));
}

static void
print_table(GVariant *contexts)
{
    static const char *const heads[] = {"CONTEXT",    "LANGUAGE",  "STATE",
                                        "EXECUTIONS", "DIRECTORY", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;

    for (gsize i = 0; i < g_variant_n_children(contexts); i++) {
        g_autoptr(GVariant) context = g_variant_get_child_value(contexts, i);

        add_row(table, context);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(lines, stdout);
}

/* {"key": value} */
static void
print_json(const char *key, JsonNode *value)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, json_object_new());
    json_object_set_member(json_node_get_object(node), key, value);
    cli_print_json(node);
}

static gboolean
do_list(Cli *cli, ClocheSandbox *sandbox, const ContextSettings *settings, GError **error)
{
    g_autoptr(GVariant) contexts = context_list(cli, sandbox, error);

    if (contexts == NULL)
        return FALSE;
    if (cli->json)
        print_json("contexts", json_from_variant(contexts));
    else
        print_table(contexts);
    return TRUE;
}

/* --- create --- */

static GVariant *
create_options(const ContextSettings *settings, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *language =
        settings->language != NULL ? languages_canonical(settings->language) : NULL;

    options_add_text(&options, "language", language);
    options_add_text(&options, "cwd", settings->cwd);
    if (!options_add_environment(&options, settings->environment, error))
        return NULL;
    return g_variant_dict_end(&options);
}

static gboolean
do_create(Cli *cli, ClocheSandbox *sandbox, const ContextSettings *settings, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *id = NULL;
    GVariant *options = create_options(settings, error);

    if (options == NULL)
        return FALSE;
    cloche_sandbox_call_create_context(sandbox, options, CLIENT_CALL, cli->interrupted,
                                       cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_create_context_finish(sandbox, &id, reply, error))
        return FALSE;
    if (cli->json)
        print_json("id", json_node_init_string(json_node_alloc(), id));
    else
        puts(id);
    return TRUE;
}

/* --- actions on existing contexts --- */

static gboolean
restart(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_restart_context(sandbox, id, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                        &reply);
    cli_await(&reply);
    return cloche_sandbox_call_restart_context_finish(sandbox, reply, error);
}

static gboolean
interrupt(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_interrupt_context(sandbox, id, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                          &reply);
    cli_await(&reply);
    return cloche_sandbox_call_interrupt_context_finish(sandbox, reply, error);
}

static gboolean
take_away(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_sandbox_call_remove_context(sandbox, id, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                       &reply);
    cli_await(&reply);
    return cloche_sandbox_call_remove_context_finish(sandbox, reply, error);
}

/* --- the verb --- */

/* Has one of the two functions: for the sandbox, or for each named context. */
typedef struct {
    const char *name;
    gboolean (*on_sandbox)(Cli *cli, ClocheSandbox *sandbox, const ContextSettings *settings,
                           GError **error);
    gboolean (*on_context)(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error);
} Action;

static const Action actions[] = {
    {"list", .on_sandbox = do_list},
    {"create", .on_sandbox = do_create},
    {"restart", .on_context = restart},
    {"interrupt", .on_context = interrupt},
    {"remove", .on_context = take_away},
    /* aliases */
    {"ls", .on_sandbox = do_list},
    {"rm", .on_context = take_away},
};

static const Action *
find_action(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (g_str_equal(actions[i].name, name))
            return &actions[i];
    }
    return NULL;
}

/* Returns CLI_OK, or prints what is wrong. */
static int
check_settings(Cli *cli, const Action *action, const ContextSettings *settings)
{
    gboolean has_options =
        settings->language != NULL || settings->cwd != NULL || settings->environment != NULL;
    const char *context;

    if (action == NULL)
        return cli_usage(cli, "unknown action '%s': use list, create, restart, interrupt or remove",
                         cli->arguments[0]);
    if (cli->arguments[1] == NULL)
        return cli_usage(cli, "the sandbox is missing: cloche context %s ID%s", action->name,
                         action->on_context != NULL ? " CONTEXT..." : "");
    context = cli->arguments[2];
    if (action->on_context != NULL && context == NULL)
        return cli_usage(cli, "the context is missing: 'cloche context list %s' shows the contexts",
                         cli->arguments[1]);
    if (action->on_sandbox != NULL && context != NULL)
        return cli_usage(cli, "unexpected argument '%s'", context);
    if (action->on_sandbox != do_create && has_options)
        return cli_usage(cli, "--language, --cwd and --env are for 'cloche context create'");
    return CLI_OK;
}

/* Continues after an error. Returns the exit status. */
static int
act_on_contexts(Cli *cli, ClocheSandbox *sandbox, const Action *action)
{
    int status = CLI_OK;

    for (gsize i = 2; cli->arguments[i] != NULL && cli->signal == 0; i++) {
        g_autoptr(GError) error = NULL;

        if (action->on_context(cli, sandbox, cli->arguments[i], &error))
            continue;
        status = cli_fail(cli, error);
        if (cli->json)
            break; /* JSON output is one line */
    }
    return status;
}

static int
act(Cli *cli, const Action *action, const ContextSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;

    if (cli_connect(cli, &error))
        sandbox = sandbox_find(cli, cli->arguments[1], &error);
    if (sandbox == NULL)
        return cli_fail(cli, error);
    if (action->on_context != NULL)
        return act_on_contexts(cli, sandbox, action);
    if (!action->on_sandbox(cli, sandbox, settings, &error))
        return cli_fail(cli, error);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(ContextSettings) settings = {0};
    const GOptionEntry entries[] = {
        {"language", 'l', 0, G_OPTION_ARG_FILENAME, &settings.language,
         "With create: the language (default: the template's first)", "LANGUAGE"},
        {"cwd", 'w', 0, G_OPTION_ARG_FILENAME, &settings.cwd,
         "With create: the working directory (default: the user's home)", "DIR"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.environment,
         "With create: set an environment variable; may be repeated", "KEY=VALUE"},
        G_OPTION_ENTRY_NULL,
    };
    const Action *action;
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ G_MAXUINT, &status))
        return status;
    action = find_action(cli->arguments[0]);
    status = check_settings(cli, action, &settings);
    return status == CLI_OK ? act(cli, action, &settings) : status;
}

const Verb verb_context = {
    .name = "context",
    .synopsis = "ACTION ID [CONTEXT...]",
    .summary = "Manage interpreters with separate variables.",
    .description =
        "ACTION is one of\n"
        "  list ID                    Show the contexts of a sandbox\n"
        "  create ID                  Create a context and print its id\n"
        "  restart ID CONTEXT...      Replace the interpreters by new ones without state\n"
        "  interrupt ID CONTEXT...    Interrupt the running code; variables are kept\n"
        "  remove ID CONTEXT...       End the contexts\n"
        "The id of a language's default context is the name of the language.\n"
        "\n"
        "Examples:\n"
        "  context=$(cloche context create $id --language python --cwd /tmp)\n"
        "  cloche code --sandbox $id --context $context -c 'x = 6'\n"
        "  cloche context interrupt $id $context",
    .run = run,
};
