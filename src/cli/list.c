/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: the existing sandboxes, requested page by page. */
#include "list.h"

#include <pwd.h>

#include "options.h"
#include "table.h"
#include "term.h"
#include "text.h"
#include "verbs.h"

#define PAGE 1000

static gboolean
read_page(Cli *cli, GVariant *filter, const char *after, GPtrArray *sandboxes, char **ret_next,
          GError **error)
{
    g_auto(GVariantDict) page = G_VARIANT_DICT_INIT(filter);
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) found = NULL;

    g_variant_dict_insert(&page, "limit", "u", (guint32)PAGE);
    if (*after != '\0')
        g_variant_dict_insert(&page, "after", "s", after);
    cloche_manager_call_list_sandboxes(cli->manager, g_variant_dict_end(&page), CLIENT_CALL,
                                       cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_manager_call_list_sandboxes_finish(cli->manager, &found, ret_next, reply, error))
        return FALSE;
    for (gsize i = 0; i < g_variant_n_children(found); i++)
        g_ptr_array_add(sandboxes, g_variant_get_child_value(found, i));
    return TRUE;
}

GPtrArray *
list_read(Cli *cli, GVariant *filter, GError **error)
{
    g_autoptr(GPtrArray) sandboxes =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autofree char *after = g_strdup("");

    do {
        char *next;

        if (!read_page(cli, filter, after, sandboxes, &next, error))
            return NULL;
        g_free(after);
        after = next;
    } while (*after != '\0');
    return g_steal_pointer(&sandboxes);
}

void
list_print_json(GPtrArray *sandboxes)
{
    JsonObject *object = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < sandboxes->len; i++) {
        g_autoptr(GVariant) path = g_variant_get_child_value(sandboxes->pdata[i], 0);
        g_autoptr(GVariant) properties = g_variant_get_child_value(sandboxes->pdata[i], 1);
        JsonNode *element = json_from_variant(properties);

        json_object_set_member(json_node_get_object(element), "sandbox", json_from_variant(path));
        json_array_add_element(array, element);
    }
    json_object_set_array_member(object, "sandboxes", array);
    cli_print_object(object);
}

static void
add_text(Table *table, GVariant *properties, const char *key)
{
    const char *text = "";

    g_variant_lookup(properties, key, "&s", &text);
    table_add(table, text);
}

guint64
list_age(GVariant *properties)
{
    gint64 now = g_get_real_time();
    guint64 created = now;

    g_variant_lookup(properties, "Created", "t", &created);
    return created < (guint64)now ? (now - created) / G_USEC_PER_SEC : 0;
}

guint64
list_rest(GVariant *properties)
{
    gint64 now = g_get_real_time();
    guint64 expires = now;

    g_variant_lookup(properties, "Expires", "t", &expires);
    return expires > (guint64)now ? (expires - now) / G_USEC_PER_SEC : 0;
}

char *
list_metadata(GVariant *properties)
{
    g_autoptr(GVariant) metadata =
        g_variant_lookup_value(properties, "Metadata", G_VARIANT_TYPE("a{ss}"));
    GString *text = g_string_new(NULL);
    GVariantIter iter;
    const char *key, *value;

    if (metadata != NULL) {
        g_variant_iter_init(&iter, metadata);
        while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? " " : "", key, value);
    }
    return g_string_free(text, FALSE);
}

char *
list_owner(GVariant *properties)
{
    guint32 owner = 0;
    const struct passwd *user;

    g_variant_lookup(properties, "Owner", "u", &owner);
    user = getpwuid(owner);
    return user != NULL ? g_strdup(user->pw_name) : g_strdup_printf("%u", owner);
}

static void
add_row(Table *table, GVariant *properties)
{
    g_autofree char *age = text_from_seconds(list_age(properties));
    g_autofree char *rest = text_from_seconds(list_rest(properties));
    g_autofree char *owner = list_owner(properties);
    g_autofree char *metadata = list_metadata(properties);

    add_text(table, properties, "Id");
    add_text(table, properties, "Name");
    add_text(table, properties, "Template");
    add_text(table, properties, "State");
    table_add(table, age);
    table_add(table, rest);
    table_add(table, owner);
    table_add(table, metadata);
}

static void
print_ids(GPtrArray *sandboxes)
{
    for (guint i = 0; i < sandboxes->len; i++) {
        const char *path;

        g_variant_get_child(sandboxes->pdata[i], 0, "&o", &path);
        puts(client_sandbox_id(path));
    }
}

static void
print_table(GPtrArray *sandboxes)
{
    static const char *const heads[] = {"ID",      "NAME",  "TEMPLATE", "STATE", "AGE",
                                        "ENDS IN", "OWNER", "METADATA", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;

    for (guint i = 0; i < sandboxes->len; i++) {
        g_autoptr(GVariant) properties = g_variant_get_child_value(sandboxes->pdata[i], 1);

        add_row(table, properties);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(lines, stdout);
}

static int
list(Cli *cli, GVariant *filter, gboolean only_ids)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(filter);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) sandboxes = NULL;

    if (cli_connect(cli, &error))
        sandboxes = list_read(cli, held, &error);
    if (sandboxes == NULL)
        return cli_fail(cli, error);
    if (cli->json)
        list_print_json(sandboxes);
    else if (only_ids)
        print_ids(sandboxes);
    else
        print_table(sandboxes);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    gboolean all = FALSE, only_ids = FALSE;
    g_autofree char *template = NULL;
    g_auto(GStrv) metadata = NULL;
    g_auto(GVariantDict) filter = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"all", 'a', 0, G_OPTION_ARG_NONE, &all,
         "Also show those of other users, if polkit permits it", NULL},
        {"template", 0, 0, G_OPTION_ARG_FILENAME, &template, "Show only those of this template",
         "NAME"},
        {"metadata", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &metadata,
         "Show only those with this metadata; may be repeated", "KEY=VALUE"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &only_ids, "Print only ids", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 0, /* max= */ 0, &status))
        return status;
    if (all)
        g_variant_dict_insert(&filter, "all-users", "b", TRUE);
    options_add_text(&filter, "template", template);
    if (!options_add_pairs(&filter, "metadata", metadata, &error))
        return cli_usage(cli, "%s", error->message);
    return list(cli, g_variant_dict_end(&filter), only_ids);
}

const Verb verb_list = {
    .name = "list",
    .synopsis = "",
    .summary = "Show the existing sandboxes, the oldest first.",
    .description = "Examples:\n"
                   "  cloche list --metadata task=17\n"
                   "  cloche list --quiet --metadata task=17 | xargs cloche kill\n"
                   "  cloche list --json | jq -r '.sandboxes[].Id'",
    .when_too_many = "'cloche status ID' shows one sandbox",
    .run = run,
};
