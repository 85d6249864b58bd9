/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rm-snapshot: removes snapshots, and continues with the others if one cannot be removed. */
#include "snapshot-list.h"
#include "verbs.h"

static gboolean
remove_one(Cli *cli, const char *word, JsonArray *removed, GError **error)
{
    g_autofree char *id = snapshot_resolve(cli, word, error);
    g_autoptr(GAsyncResult) reply = NULL;

    if (id == NULL)
        return FALSE;
    cloche_manager_call_remove_snapshot(cli->manager, id, CLIENT_CALL, cli->interrupted,
                                        cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_manager_call_remove_snapshot_finish(cli->manager, reply, error))
        return FALSE;
    json_array_add_string_element(removed, id);
    return TRUE;
}

/* Takes the array. */
static void
show(Cli *cli, JsonArray *removed, const GError *first)
{
    JsonNode *node;

    if (!cli->json) {
        json_array_unref(removed);
        return;
    }
    node = first != NULL ? cli_error_node(first) : json_node_new(JSON_NODE_OBJECT);
    if (first == NULL)
        json_node_take_object(node, json_object_new());
    json_object_set_array_member(json_node_get_object(node), "removed", removed);
    cli_print_json(node);
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) first = NULL;
    JsonArray *removed;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 1, G_MAXUINT, &status))
        return status;
    if (!cli_connect(cli, &first))
        return cli_fail(cli, first);
    removed = json_array_new();
    for (gsize i = 0; cli->arguments[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;

        if (remove_one(cli, cli->arguments[i], removed, &error))
            continue;
        client_tidy_error(error);
        if (!cli->json)
            cli_fail(cli, error);
        if (first == NULL)
            first = g_steal_pointer(&error);
    }
    show(cli, removed, first);
    return first == NULL ? CLI_OK : CLI_FAILED;
}

const Verb verb_rm_snapshot = {
    .name = "rm-snapshot",
    .synopsis = "SNAPSHOT...",
    .summary = "Remove snapshots of sandboxes.",
    .description =
        "SNAPSHOT is an id, a prefix of an id, or a name. Sandboxes that began from it, and\n"
        "snapshots of these, are not affected: its files remain while one of them needs them.\n"
        "\n"
        "Example:\n"
        "  cloche rm-snapshot $snapshot",
    .run = run,
};
