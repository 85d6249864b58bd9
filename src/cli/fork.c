/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork: sandboxes that continue from what another one is now. Only ids are printed, for scripts. */
#include "options.h"
#include "sandbox.h"
#include "verbs.h"

typedef struct {
    int count;
    char *name, *timeout;
    char **metadata, **environment;
} ForkSettings;

static void
fork_settings_clear(ForkSettings *settings)
{
    g_free(settings->name);
    g_free(settings->timeout);
    g_strfreev(settings->metadata);
    g_strfreev(settings->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ForkSettings, fork_settings_clear)

/* NAME for a single child, or NAME-1, NAME-2 and so on. */
static void
add_names(GVariantDict *options, const ForkSettings *settings)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) names = NULL;

    if (settings->name == NULL)
        return;
    for (int i = 1; i <= settings->count; i++) {
        g_autofree char *name = settings->count == 1 ? g_strdup(settings->name)
                                                     : g_strdup_printf("%s-%d", settings->name, i);

        g_strv_builder_add(builder, name);
    }
    names = g_strv_builder_end(builder);
    g_variant_dict_insert_value(options, "names",
                                g_variant_new_strv((const char *const *)names, -1));
}

static GVariant *
fork_options(const ForkSettings *settings, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    if (!options_add_lifetime(&options, settings->timeout, error) ||
        !options_add_pairs(&options, "metadata", settings->metadata, error) ||
        !options_add_environment(&options, settings->environment, error))
        return NULL;
    add_names(&options, settings);
    return g_variant_dict_end(&options);
}

static void
print_json(char **children, char **errors)
{
    JsonObject *object = json_object_new();
    JsonArray *ids = json_array_new(), *failures = json_array_new();

    for (; *children != NULL; children++)
        json_array_add_string_element(ids, client_sandbox_id(*children));
    for (; *errors != NULL; errors++)
        json_array_add_string_element(failures, *errors);
    json_object_set_array_member(object, "children", ids);
    json_object_set_array_member(object, "errors", failures);
    cli_print_object(object);
}

static int
show(Cli *cli, char **children, char **errors)
{
    gboolean has_failed = *errors != NULL;

    if (cli->json) {
        print_json(children, errors);
    } else {
        for (; *children != NULL; children++)
            puts(client_sandbox_id(*children));
        for (; *errors != NULL; errors++)
            cli_note("a child does not run: %s", *errors);
    }
    return cli_flush() && !has_failed ? CLI_OK : CLI_FAILED;
}

static int
fork_sandbox(Cli *cli, const ForkSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) options = fork_options(settings, &error);
    g_autoptr(ClocheSandbox) sandbox = NULL;
    g_autoptr(GAsyncResult) reply = NULL;
    g_auto(GStrv) children = NULL, errors = NULL;

    if (options == NULL)
        return cli_usage(cli, "%s", error->message);
    g_variant_take_ref(options);
    if (cli_connect(cli, &error))
        sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL)
        return cli_fail(cli, error);
    cloche_sandbox_call_fork(sandbox, (guint)settings->count, options, CLIENT_CALL,
                             cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_fork_finish(sandbox, &children, &errors, reply, &error))
        return cli_fail(cli, error);
    return show(cli, children, errors);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(ForkSettings) settings = {.count = 1};
    const GOptionEntry entries[] = {
        {"count", 'c', 0, G_OPTION_ARG_INT, &settings.count, "Number of sandboxes (default: 1)",
         "N"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &settings.timeout,
         "Lifetime of each: 90, 5m, 1h30m, 2d (default: 5m)", "TIME"},
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &settings.name,
         "Name, with a number if there are several", "NAME"},
        {"metadata", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.metadata,
         "Metadata of each; may be repeated", "KEY=VALUE"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.environment,
         "Set an environment variable for new processes; may be repeated", "KEY=VALUE"},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (settings.count < 1 || settings.count > 64)
        return cli_usage(cli, "--count: it must be from 1 to 64, not %d", settings.count);
    return fork_sandbox(cli, &settings);
}

const Verb verb_fork = {
    .name = "fork",
    .synopsis = "ID",
    .summary = "Create sandboxes that continue from the state of one, and print their ids.",
    .description =
        "The sandbox continues. No snapshot remains; 'cloche snapshot' takes one. The new\n"
        "sandboxes have no network; 'cloche network' gives them one.\n"
        "\n"
        "Example:\n"
        "  cloche fork $id --count 3 --name try",
    .run = run,
};
