/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshots: a line for each snapshot. */
#include "snapshot-list.h"
#include "table.h"
#include "term.h"
#include "text.h"
#include "verbs.h"

static void
add_text(Table *table, GVariant *entry, const char *key)
{
    const char *text = "";

    g_variant_lookup(entry, key, "&s", &text);
    table_add(table, text);
}

static void
add_row(Table *table, GVariant *entry)
{
    guint64 created = 0, size = 0, now = (guint64)g_get_real_time();
    guint32 sandboxes = 0, children = 0;
    g_autofree char *age = NULL, *bytes = NULL;

    g_variant_lookup(entry, "created", "t", &created);
    g_variant_lookup(entry, "size", "t", &size);
    g_variant_lookup(entry, "sandboxes", "u", &sandboxes);
    g_variant_lookup(entry, "children", "u", &children);
    age = text_from_seconds(now > created ? (now - created) / G_USEC_PER_SEC : 0);
    bytes = text_from_size(size);
    add_text(table, entry, "id");
    add_text(table, entry, "name");
    add_text(table, entry, "template");
    add_text(table, entry, "sandbox");
    add_text(table, entry, "parent");
    table_add(table, age);
    table_add(table, bytes);
    table_add_printf(table, "%u", sandboxes);
    table_add_printf(table, "%u", children);
}

static void
print_table(GVariant *snapshots)
{
    static const char *const heads[] = {"ID",  "NAME", "TEMPLATE",  "OF",       "PARENT",
                                        "AGE", "SIZE", "SANDBOXES", "CHILDREN", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;

    for (gsize i = 0; i < g_variant_n_children(snapshots); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(snapshots, i);

        add_row(table, entry);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(lines, stdout);
}

static void
print_json(GVariant *snapshots)
{
    JsonObject *object = json_object_new();

    json_object_set_member(object, "snapshots", json_from_variant(snapshots));
    cli_print_object(object);
}

static int
run(Cli *cli, char **argv)
{
    gboolean all = FALSE;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) snapshots = NULL;
    const GOptionEntry entries[] = {
        {"all", 'a', 0, G_OPTION_ARG_NONE, &all,
         "Also show those of other users, if polkit permits it", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 0, /* max= */ 0, &status))
        return status;
    if (cli_connect(cli, &error))
        snapshots = snapshot_list(cli, all, &error);
    if (snapshots == NULL)
        return cli_fail(cli, error);
    if (cli->json)
        print_json(snapshots);
    else
        print_table(snapshots);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

const Verb verb_snapshots = {
    .name = "snapshots",
    .synopsis = "",
    .summary = "Show the snapshots of sandboxes, the oldest first.",
    .description =
        "OF is the sandbox that it was taken of, PARENT the snapshot from which that sandbox\n"
        "began, and SIZE the size on disk. SANDBOXES is the number of sandboxes that began\n"
        "from it, and CHILDREN the number of snapshots of these.\n"
        "\n"
        "Example:\n"
        "  cloche snapshots --json | jq -r '.snapshots[].id'",
    .when_too_many = "'cloche snapshot ID' takes a snapshot",
    .run = run,
};
