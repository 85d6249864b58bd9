/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp: files and directories into a sandbox, or out of it. */
#include "cp.h"

#include "verbs.h"

static int
show(Cli *cli, guint64 bytes)
{
    JsonObject *object;
    JsonNode *node;

    if (!cli->json)
        return CLI_OK;
    object = json_object_new();
    node = json_node_new(JSON_NODE_OBJECT);
    json_object_set_int_member(object, "bytes", (gint64)bytes);
    json_node_take_object(node, object);
    cli_print_json(node);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* A file with such a name is written as ./-. */
static gboolean
is_stream(const char *word)
{
    return g_str_equal(word, "-") || g_str_equal(word, "/dev/stdin") ||
           g_str_equal(word, "/dev/stdout") || g_str_has_prefix(word, "/dev/fd/");
}

static int
copy(Cli *cli, Guest *guest)
{
    const char *source = cli->words[0], *target = cli->words[1];
    gboolean is_upload = place_is_guest(target);
    g_auto(Place) place = {0};
    g_autoptr(GError) error = NULL;
    guint64 bytes = 0;

    if (place_is_guest(source) == is_upload)
        return cli_usage(cli, "one of the two has to be ID:PATH, and the other a file or directory "
                              "of this machine (with a colon in its name: ./a:b)");
    if (is_stream(is_upload ? source : target))
        return cli_usage(cli, "'%s' is a stream: 'cloche %s ID:PATH' %s it",
                         is_upload ? source : target, is_upload ? "write" : "cat",
                         is_upload ? "reads" : "writes to");
    if (!place_parse(is_upload ? target : source, &place, &error))
        return cli_usage(cli, "%s", error->message);
    if (!guest_open(guest, cli, place.id, &error) ||
        !(is_upload ? cp_upload(cli, guest, source, place.path, &bytes, &error)
                    : cp_download(cli, guest, place.path, target, &bytes, &error)))
        return cli_fail(cli, error);
    return show(cli, bytes);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Guest) guest = {0};
    gboolean is_default = FALSE; /* what these options of cp(1) and scp(1) ask for is always done */
    const GOptionEntry entries[] = {
        GUEST_USER_OPTION(guest),
        {"recursive", 'r', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"Recursive", 'R', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"archive", 'a', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"preserve", 'p', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"force", 'f', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 2, /* max= */ 2, &status))
        return status;
    return copy(cli, &guest);
}

const Verb verb_cp = {
    .name = "cp",
    .synopsis = "ID:PATH TARGET | SOURCE ID:PATH",
    .summary = "Copies files and directories between this machine and a sandbox.",
    .description =
        "A directory is copied with all that is in it. When the target is a directory, it is\n"
        "copied into that; otherwise it becomes the target. The contents alone are DIR/. as in\n"
        "cp(1). Modes, times, links and sparse files are kept; owners, by number, where --user is\n"
        "root (on this machine also only for root). Out of a sandbox come no devices, and no\n"
        "set-user-id or set-group-id bits. -r, -a and -p of cp(1) are understood, and change\n"
        "nothing.\n"
        "\n"
        "Examples:\n"
        "  cloche cp project $id:\n"
        "  cloche cp $id:work/results .\n"
        "  cloche cp --user root nginx.conf $id:/etc/nginx/nginx.conf",
    .when_too_many = "one file or directory is copied at a time",
    .run = run,
};
