/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kill: ends sandboxes, and continues with the others if one cannot be ended. */
#include "list.h"
#include "sandbox.h"
#include "verbs.h"

static void
print_json(JsonArray *killed, JsonArray *failed, const GError *first)
{
    JsonNode *node = first != NULL ? cli_error_node(first) : json_node_new(JSON_NODE_OBJECT);

    if (first == NULL)
        json_node_take_object(node, json_object_new());
    json_object_set_array_member(json_node_get_object(node), "killed", killed);
    json_object_set_array_member(json_node_get_object(node), "failed", failed);
    cli_print_json(node);
}

/* Replaces the arguments by the ids of all existing sandboxes. */
static gboolean
find_all(Cli *cli, gboolean all_users, GError **error)
{
    g_auto(GVariantDict) filter = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GVariant) held = NULL;
    g_autoptr(GPtrArray) sandboxes = NULL;
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();

    if (all_users)
        g_variant_dict_insert(&filter, "all-users", "b", TRUE);
    held = g_variant_ref_sink(g_variant_dict_end(&filter));
    sandboxes = list_read(cli, held, error);
    if (sandboxes == NULL)
        return FALSE;
    for (guint i = 0; i < sandboxes->len; i++) {
        const char *path;

        g_variant_get_child(sandboxes->pdata[i], 0, "&o", &path);
        g_strv_builder_add(ids, client_sandbox_id(path));
    }
    g_strfreev(cli->arguments);
    cli->arguments = g_strv_builder_end(ids);
    return TRUE;
}

/* Adds the id to one of the lists, or the word itself if it names no sandbox. */
static void
kill_one(Cli *cli, const char *word, JsonArray *killed, JsonArray *failed, GError **error)
{
    g_autofree char *id = sandbox_resolve(cli, word, error);

    if (id != NULL && sandbox_kill(cli, id, error))
        json_array_add_string_element(killed, id);
    else
        json_array_add_string_element(failed, id != NULL ? id : word);
}

static int
check_arguments(Cli *cli, gboolean all, gboolean all_users)
{
    if (all && *cli->arguments != NULL)
        return cli_usage(cli, "'%s' cannot be given with --all", *cli->arguments);
    if (!all && all_users)
        return cli_usage(cli, "--all-users needs --all");
    if (!all && *cli->arguments == NULL)
        return cli_usage(cli, "too few arguments: cloche kill ID...");
    return CLI_OK;
}

static int
run(Cli *cli, char **argv)
{
    gboolean all = FALSE, all_users = FALSE, force = FALSE;
    g_autoptr(GError) first = NULL;
    JsonArray *killed, *failed;
    int status;
    const GOptionEntry entries[] = {
        {"all", 'a', 0, G_OPTION_ARG_NONE, &all, "End all sandboxes of yours", NULL},
        {"all-users", 0, 0, G_OPTION_ARG_NONE, &all_users,
         "With --all: also those of other users, if polkit permits it", NULL},
        {"force", 'f', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &force, "", NULL}, /* as "rm -f" */
        G_OPTION_ENTRY_NULL,
    };

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 0, /* max= */ G_MAXUINT, &status))
        return status;
    status = check_arguments(cli, all, all_users);
    if (status != CLI_OK)
        return status;
    if (!cli_connect(cli, &first) || (all && !find_all(cli, all_users, &first)))
        return cli_fail(cli, first);
    killed = json_array_new();
    failed = json_array_new();
    for (gsize i = 0; cli->arguments[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;

        kill_one(cli, cli->arguments[i], killed, failed, &error);
        if (error == NULL)
            continue;
        client_tidy_error(error);
        if (!cli->json)
            cli_fail(cli, error);
        if (first == NULL)
            first = g_steal_pointer(&error);
    }
    status = first == NULL ? CLI_OK : CLI_FAILED;
    if (cli->json) {
        print_json(killed, failed, first);
    } else {
        json_array_unref(killed);
        json_array_unref(failed);
    }
    return status;
}

const Verb verb_kill = {
    .name = "kill",
    .synopsis = "ID... | --all",
    .summary = "End sandboxes and delete their data.",
    .description =
        "ID is an id, a prefix of an id, or a name. 'cloche rm' is another name of this verb.\n"
        "\n"
        "Examples:\n"
        "  cloche kill $id\n"
        "  cloche kill --all\n"
        "  cloche list --metadata task=17 --json | jq -r '.sandboxes[].Id' | xargs cloche kill",
    .run = run,
};
