/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ls: the entries of a directory of a sandbox, requested page by page. */
#include <string.h>

#include "guest.h"
#include "table.h"
#include "term.h"
#include "verbs.h"

#define DEPTH_MAX 64
#define PAGE 1000

typedef struct {
    Guest guest;
    GuestPath place;
    gboolean recursive;
    gboolean head_was_printed;
    JsonArray *entries; /* NULL: they are printed */
} Listing;

/* --- an entry --- */

static char
type_letter(GVariant *entry)
{
    static const char *const types[] = {"file",   "directory",   "symlink",     "fifo",
                                        "socket", "char-device", "block-device"};
    const char *type = "";

    g_variant_lookup(entry, "type", "&s", &type);
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_str_equal(type, types[i]))
            return "-dlpscb"[i];
    }
    return '?';
}

/* "-rwsr-xr-x" */
static void
add_mode(Table *table, GVariant *entry)
{
    char text[] = "?rwxrwxrwx";
    guint32 mode = 0;

    g_variant_lookup(entry, "mode", "u", &mode);
    text[0] = type_letter(entry);
    for (guint i = 0; i < 9; i++) {
        if ((mode & (0400u >> i)) == 0)
            text[i + 1] = '-';
    }
    if (mode & 04000)
        text[3] = text[3] == 'x' ? 's' : 'S';
    if (mode & 02000)
        text[6] = text[6] == 'x' ? 's' : 'S';
    if (mode & 01000)
        text[9] = text[9] == 'x' ? 't' : 'T';
    table_add(table, text);
}

/* Adds the name, or the number if there is no name. */
static void
add_owner(Table *table, GVariant *entry, const char *name_key, const char *number_key)
{
    const char *name = "";
    guint32 number = 0;

    g_variant_lookup(entry, name_key, "&s", &name);
    g_variant_lookup(entry, number_key, "u", &number);
    if (*name != '\0')
        table_add(table, name);
    else
        table_add_printf(table, "%u", number);
}

static void
add_time(Table *table, GVariant *entry)
{
    gint64 modified = guest_entry_time(entry, "modified");
    g_autoptr(GDateTime) time = NULL;
    g_autofree char *text = NULL;

    /* Rounded down, also before 1970. */
    time = g_date_time_new_from_unix_local((modified - (modified < 0 ? G_USEC_PER_SEC - 1 : 0)) /
                                           G_USEC_PER_SEC);
    text = time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M") : NULL;
    table_add(table, text != NULL ? text : "?");
}

static void
add_row(Table *table, GVariant *entry)
{
    const char *path = "", *target = NULL;
    guint64 size = 0;

    g_variant_lookup(entry, "size", "t", &size);
    g_variant_lookup(entry, "path", "&s", &path);
    add_mode(table, entry);
    add_owner(table, entry, "user", "uid");
    add_owner(table, entry, "group", "gid");
    table_add_printf(table, "%" G_GUINT64_FORMAT, size);
    add_time(table, entry);
    if (g_variant_lookup(entry, "target", "&s", &target))
        table_add_printf(table, "%s -> %s", path, target);
    else
        table_add(table, path);
}

/* --- pages --- */

static void
print_page(Listing *listing, GVariant *entries)
{
    static const char *const heads[] = {"MODE", "OWNER", "GROUP", "SIZE", "MODIFIED", "NAME", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;
    GVariantIter iter;
    GVariant *entry;

    g_variant_iter_init(&iter, entries);
    while ((entry = g_variant_iter_next_value(&iter)) != NULL) {
        add_row(table, entry);
        g_variant_unref(entry);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(listing->head_was_printed ? strchr(lines, '\n') + 1 : lines, stdout);
    listing->head_was_printed = TRUE;
}

static void
take_page(Listing *listing, GVariant *entries)
{
    if (listing->entries == NULL) {
        print_page(listing, entries);
        return;
    }
    for (gsize i = 0; i < g_variant_n_children(entries); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(entries, i);

        json_array_add_element(listing->entries, json_from_variant(entry));
    }
}

static gboolean
read_page(Cli *cli, Listing *listing, const char *after, char **ret_next, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) entries = NULL;
    GVariantDict options;

    guest_init_options(&listing->guest, &options);
    g_variant_dict_insert(&options, "limit", "u", (guint32)PAGE);
    g_variant_dict_insert(&options, "depth", "u", (guint32)(listing->recursive ? DEPTH_MAX : 1));
    if (after != NULL)
        g_variant_dict_insert(&options, "after", "s", after);
    cloche_sandbox_call_list_directory(listing->guest.sandbox, listing->place.path,
                                       g_variant_dict_end(&options), CLIENT_CALL, cli->interrupted,
                                       cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_list_directory_finish(listing->guest.sandbox, &entries, ret_next,
                                                   reply, error))
        return FALSE;
    take_page(listing, entries);
    return TRUE;
}

/* A file is shown under the path that was given. */
static gboolean
read_file(Cli *cli, Listing *listing, GError **error)
{
    g_autoptr(GVariant) entry = guest_stat(&listing->guest, cli, listing->place.path, error);
    g_autoptr(GVariant) entries = NULL;
    g_auto(GVariantDict) named = {0};

    if (entry == NULL)
        return FALSE;
    g_variant_dict_init(&named, entry);
    g_variant_dict_insert(&named, "path", "s", listing->place.path);
    entries = g_variant_ref_sink(
        g_variant_new_array(NULL, (GVariant *[]){g_variant_dict_end(&named)}, 1));
    take_page(listing, entries);
    return TRUE;
}

static gboolean
read_all(Cli *cli, Listing *listing, GError **error)
{
    g_autofree char *after = NULL;
    GError *problem = NULL;

    do {
        char *next = NULL;

        if (!read_page(cli, listing, after, &next, &problem)) {
            if (!g_error_matches(problem, CLOCHE_ERROR, CLOCHE_ERROR_NOT_A_DIRECTORY)) {
                g_propagate_error(error, problem);
                return FALSE;
            }
            g_clear_error(&problem);
            return read_file(cli, listing, error);
        }
        g_free(after);
        after = next;
    } while (*after != '\0' && cli_flush());
    return TRUE;
}

static int
show(Cli *cli, Listing *listing)
{
    JsonObject *object;

    if (cli->json) {
        object = json_object_new();
        json_object_set_array_member(object, "entries", g_steal_pointer(&listing->entries));
        cli_print_object(object);
    }
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* --- the verb --- */

static int
list(Cli *cli, Listing *listing)
{
    g_autoptr(GError) error = NULL;

    if (!guest_path_parse(cli->arguments[0], &listing->place, &error))
        return cli_usage(cli, "%s", error->message);
    if (cli->json)
        listing->entries = json_array_new();
    if (!guest_open(&listing->guest, cli, listing->place.id, &error) ||
        !read_all(cli, listing, &error))
        return cli_fail(cli, error);
    return show(cli, listing);
}

static int
run(Cli *cli, char **argv)
{
    Listing listing = {0};
    gboolean is_default = FALSE; /* these options of ls(1) are always in effect */
    const GOptionEntry entries[] = {
        {"recursive", 'R', 0, G_OPTION_ARG_NONE, &listing.recursive,
         "Also list the directories below, 64 levels deep", NULL},
        guest_user_entry(&listing.guest),
        {"long", 'l', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"all", 'a', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"almost-all", 'A', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        status = list(cli, &listing);
    guest_clear(&listing.guest);
    guest_path_clear(&listing.place);
    g_clear_pointer(&listing.entries, json_array_unref);
    return status;
}

const Verb verb_ls = {
    .name = "ls",
    .synopsis = "ID:[PATH]",
    .summary = "List a directory of a sandbox.",
    .description = "Without PATH, lists the user's home. Unreadable entries are omitted.\n"
                   "\n"
                   "Examples:\n"
                   "  cloche ls $id:\n"
                   "  cloche ls $id:/root --user root\n"
                   "  cloche ls $id:work --recursive --json | jq -r '.entries[].path'",
    .when_missing = "'cloche list' shows the sandboxes",
    .run = run,
};
