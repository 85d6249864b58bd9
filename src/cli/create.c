/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create: a sandbox that lives until its timeout. Only its id is printed, for scripts. */
#include "options.h"
#include "sandbox.h"
#include "snapshot-list.h"
#include "verbs.h"

typedef struct {
    char *template;
    char *snapshot;
    char *timeout;
    char *on_timeout;
    gboolean auto_resume;
    char *name;
    char **metadata;
    char **environment;
    char *key;
    NetworkOptions network;
} CreateSettings;

static void
create_settings_clear(CreateSettings *settings)
{
    g_free(settings->template);
    g_free(settings->snapshot);
    g_free(settings->timeout);
    g_free(settings->on_timeout);
    g_free(settings->name);
    g_strfreev(settings->metadata);
    g_strfreev(settings->environment);
    g_free(settings->key);
    network_options_clear(&settings->network);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CreateSettings, create_settings_clear)

static GVariant *
create_options(const CreateSettings *settings, const NetworkPolicy *network, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    options_add_text(&options, "template", settings->template);
    options_add_text(&options, "name", settings->name);
    options_add_text(&options, "idempotency-key", settings->key);
    options_add_text(&options, "on-timeout", settings->on_timeout);
    if (settings->auto_resume)
        g_variant_dict_insert(&options, "auto-resume", "b", TRUE);
    if (!options_add_lifetime(&options, settings->timeout, error) ||
        !options_add_pairs(&options, "metadata", settings->metadata, error) ||
        !options_add_environment(&options, settings->environment, error))
        return NULL;
    network_policy_add(network, &options);
    return g_variant_dict_end(&options);
}

static void
show(Cli *cli, const char *path)
{
    JsonObject *object;

    if (!cli->json) {
        puts(client_sandbox_id(path));
        return;
    }
    object = json_object_new();
    json_object_set_string_member(object, "id", client_sandbox_id(path));
    json_object_set_string_member(object, "sandbox", path);
    cli_print_object(object);
}

/* Returns the options with the snapshot, which its name or a prefix may name; floating. */
static GVariant *
add_snapshot(Cli *cli, GVariant *options, const char *word, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(options);
    g_autofree char *id = snapshot_resolve(cli, word, error);

    if (id == NULL)
        return NULL;
    options_add_text(&dict, "snapshot", id);
    return g_variant_dict_end(&dict);
}

/* Returns the object path of the new sandbox. Takes the options. */
static char *
call_create(Cli *cli, const CreateSettings *settings, const NetworkPolicy *network,
            GVariant *options, GError **error)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(options), complete = NULL;

    if (!cli_connect(cli, error))
        return NULL;
    complete = settings->snapshot == NULL ? g_variant_ref(held)
                                          : add_snapshot(cli, held, settings->snapshot, error);
    if (complete == NULL)
        return NULL;
    g_variant_take_ref(complete);
    return sandbox_create(cli, complete, network->fds, error);
}

static int
create(Cli *cli, const CreateSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_auto(NetworkPolicy) network = {0};
    GVariant *options = NULL;

    if (network_options_read(&settings->network, /* stdin_reader= */ NULL, &network, &error))
        options = create_options(settings, &network, &error);
    if (options != NULL)
        path = call_create(cli, settings, &network, options, &error);
    if (path == NULL)
        return cli_fail(cli, error);
    if (cli->signal == 0) {
        show(cli, path);
        if (cli_flush())
            return CLI_OK;
    }
    /* The id was not printed, so the new sandbox is killed. With a key, an earlier caller may know
     * the id. */
    if (settings->key == NULL)
        sandbox_kill(cli, client_sandbox_id(path), /* error= */ NULL);
    return cli->signal != 0 ? 128 + cli->signal : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(CreateSettings) settings = {0};
    const GOptionEntry entries[] = {
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &settings.template, "Template of the sandbox",
         "NAME"},
        {"snapshot", 0, 0, G_OPTION_ARG_FILENAME, &settings.snapshot,
         "Snapshot from which it continues, instead of a template", "SNAPSHOT"},
        {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &settings.timeout,
         "Lifetime: 90, 5m, 1h30m, 2d (default: 5m)", "TIME"},
        {"on-timeout", 0, 0, G_OPTION_ARG_FILENAME, &settings.on_timeout,
         "What happens then: kill or pause (default: kill)", "ACTION"},
        {"auto-resume", 0, 0, G_OPTION_ARG_NONE, &settings.auto_resume,
         "Any use of the sandbox while it is paused resumes it", NULL},
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &settings.name, "Name of the sandbox", "NAME"},
        {"metadata", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.metadata,
         "Metadata of the sandbox; may be repeated", "KEY=VALUE"},
        {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &settings.environment,
         "Set an environment variable for all its processes; may be repeated", "KEY=VALUE"},
        {"idempotency-key", 0, 0, G_OPTION_ARG_FILENAME, &settings.key,
         "Return the existing sandbox that was created with the same key, if there is one", "KEY"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GArray) all = network_options_entries(&settings.network, entries);
    int status;

    if (!cli_parse_arguments(cli, (const GOptionEntry *)all->data, argv, /* min= */ 0, /* max= */ 0,
                             &status))
        return status;
    return create(cli, &settings);
}

const Verb verb_create = {
    .name = "create",
    .synopsis = "",
    .summary = "Create a sandbox and print its id.",
    .description =
        "The sandbox ends when its timeout expires, or is paused with --on-timeout=pause. 'cloche\n"
        "extend' changes the timeout, 'cloche kill' ends the sandbox at once. It has no network\n"
        "unless an option gives it one; 'cloche network' shows and changes it.\n"
        "\n"
        "Examples:\n"
        "  id=$(cloche create --timeout 1h --name build --metadata task=17)\n"
        "  cloche exec $id -- hostname\n"
        "  cloche create --on-timeout pause --auto-resume\n"
        "  cloche create --allow pypi.org --allow files.pythonhosted.org\n"
        "  cloche create --secret 'api.example.com:Authorization=Bearer @token'",
    .when_too_many = "--template names a template, --name the sandbox",
    .run = run,
};
