/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp: files and directories into a sandbox, or out of it. */
#include "cp.h"

#include "verbs.h"

static int
show(Cli *cli, guint64 bytes)
{
    JsonObject *object;

    if (!cli->json)
        return CLI_OK;
    object = json_object_new();
    json_object_set_int_member(object, "bytes", (gint64)bytes);
    cli_print_object(object);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* A file with such a name is given as ./-. */
static gboolean
is_stream(const char *word)
{
    return g_str_equal(word, "-") || g_str_equal(word, "/dev/stdin") ||
           g_str_equal(word, "/dev/stdout") || g_str_has_prefix(word, "/dev/fd/");
}

static int
copy(Cli *cli, Guest *guest)
{
    const char *source = cli->arguments[0], *target = cli->arguments[1];
    gboolean is_upload = guest_path_is(target);
    g_auto(GuestPath) place = {0};
    g_autoptr(GError) error = NULL;
    guint64 bytes = 0;

    if (guest_path_is(source) == is_upload)
        return cli_usage(cli, "one of the two arguments must be ID:PATH, and the other a file or "
                              "directory of this machine (./a:b if its name has a colon)");
    if (is_stream(is_upload ? source : target))
        return cli_usage(cli, "'%s' is a stream: 'cloche %s ID:PATH' %s it",
                         is_upload ? source : target, is_upload ? "write" : "cat",
                         is_upload ? "reads" : "writes to");
    if (!guest_path_parse(is_upload ? target : source, &place, &error))
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
    gboolean is_default = FALSE; /* these options of cp(1) and scp(1) are always in effect */
    const GOptionEntry entries[] = {
        guest_user_entry(&guest),
        {"recursive", 'r', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"Recursive", 'R', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"archive", 'a', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"preserve", 'p', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        {"force", 'f', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &is_default, "", NULL},
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 2, /* max= */ 2, &status))
        return status;
    return copy(cli, &guest);
}

const Verb verb_cp = {
    .name = "cp",
    .synopsis = "ID:PATH TARGET | SOURCE ID:PATH",
    .summary = "Copy files and directories between this machine and a sandbox.",
    .description =
        "A directory is copied with its contents. If the target is an existing directory, the\n"
        "source is copied into it under its own name; otherwise it becomes the target. DIR/.\n"
        "copies only the contents, as with cp(1). Modes, times, links and holes of sparse files\n"
        "are preserved; owners by number if --user is root (on this machine also only for root).\n"
        "Devices, set-user-id and set-group-id bits are not copied out of a sandbox. -r, -a and\n"
        "-p of cp(1) are accepted and change nothing.\n"
        "\n"
        "Examples:\n"
        "  cloche cp project $id:\n"
        "  cloche cp $id:work/results .\n"
        "  cloche cp --user root nginx.conf $id:/etc/nginx/nginx.conf",
    .when_too_many = "one file or directory is copied at a time",
    .run = run,
};
