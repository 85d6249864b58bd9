/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kill: ends sandboxes; one that cannot be ended does not save the others. */
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

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) first = NULL;
    JsonArray *killed, *failed;
    int status;

    if (!cli_parse_words(cli, /* entries= */ NULL, argv, /* min= */ 1, /* max= */ G_MAXUINT,
                         &status))
        return status;
    if (!cli_connect(cli, &first))
        return cli_fail(cli, first);
    killed = json_array_new();
    failed = json_array_new();
    for (gsize i = 0; cli->words[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;

        json_array_add_string_element(sandbox_kill(cli, cli->words[i], &error) ? killed : failed,
                                      cli->words[i]);
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
    .synopsis = "ID...",
    .summary = "Ends sandboxes.",
    .description =
        "Examples:\n"
        "  cloche kill $id\n"
        "  cloche list --metadata task=17 --json | jq -r '.sandboxes[].Id' | xargs cloche kill",
    .run = run,
};
