/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* write: standard input into a file of a sandbox. The service reads the descriptor itself. */
#include <gio/gunixfdlist.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "sparse-copy.h"
#include "verbs.h"

/* text: octal, as of chmod(1), or NULL. */
static gboolean
add_mode(GVariantDict *options, const char *text, GError **error)
{
    guint64 mode;

    if (text == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 8, 0, 07777, &mode, /* error= */ NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not a mode: use an octal number from 0 to 7777, such as 644", text);
        return FALSE;
    }
    g_variant_dict_insert(options, "mode", "u", (guint32)mode);
    return TRUE;
}

static gboolean
send_input(Cli *cli, const Guest *guest, const char *path, gboolean append, GVariant *options,
           guint64 *ret_written, GError **error)
{
    g_autoptr(GUnixFDList) fds = guest_give_fd(STDIN_FILENO, error);
    g_autoptr(GAsyncResult) reply = NULL;

    if (fds == NULL)
        return FALSE;
    if (append)
        cloche_sandbox_call_append(guest->sandbox, path, g_variant_new_handle(0), options,
                                   CLIENT_CALL, fds, cli->interrupted, cli_on_reply, &reply);
    else
        cloche_sandbox_call_write_file(guest->sandbox, path, g_variant_new_handle(0), options,
                                       CLIENT_CALL, fds, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (append)
        return cloche_sandbox_call_append_finish(guest->sandbox, ret_written, /* ret_fds= */ NULL,
                                                 reply, error);
    return cloche_sandbox_call_write_file_finish(guest->sandbox, ret_written, /* ret_fds= */ NULL,
                                                 reply, error);
}

/* Standard input may be a sparse file. */
static SparseResult
send_sparse_input(Cli *cli, const Guest *guest, const char *path, const char *mode,
                  guint64 *ret_written, GError **error)
{
    SparseFile file;

    if (!sparse_open(STDIN_FILENO, &file))
        return SPARSE_UNABLE;
    *ret_written = (guint64)(file.status.st_size - file.start);
    clock_gettime(CLOCK_REALTIME, &file.status.st_mtim);
    return sparse_send(cli, guest, &file, path,
                       mode != NULL ? (gint)g_ascii_strtoull(mode, /* end= */ NULL, 8) : -1,
                       /* with_owner= */ FALSE, error);
}

static int
show(Cli *cli, guint64 written)
{
    JsonObject *object;

    if (!cli->json)
        return CLI_OK;
    object = json_object_new();
    json_object_set_int_member(object, "written", (gint64)written);
    cli_print_object(object);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
run(Cli *cli, char **argv)
{
    gboolean append = FALSE;
    g_autofree char *mode = NULL;
    g_auto(Guest) guest = {0};
    g_auto(GuestPath) place = {0};
    g_auto(GVariantDict) options = {0};
    g_autoptr(GError) error = NULL;
    guint64 written = 0;
    SparseResult result;
    const GOptionEntry entries[] = {
        {"append", 'a', 0, G_OPTION_ARG_NONE, &append, "Append the input to the file", NULL},
        {"mode", 'm', 0, G_OPTION_ARG_FILENAME, &mode,
         "Permissions in octal (default: those of the existing file, or 644)", "MODE"},
        guest_user_entry(&guest),
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    guest_init_options(&guest, &options);
    if (!guest_path_parse(cli->arguments[0], &place, &error) || !add_mode(&options, mode, &error))
        return cli_usage(cli, "%s", error->message);
    if (!guest_open(&guest, cli, place.id, &error))
        return cli_fail(cli, error);
    result =
        append ? SPARSE_UNABLE : send_sparse_input(cli, &guest, place.path, mode, &written, &error);
    if (result == SPARSE_FAILED ||
        (result == SPARSE_UNABLE && !send_input(cli, &guest, place.path, append,
                                                g_variant_dict_end(&options), &written, &error)))
        return cli_fail(cli, error);
    return show(cli, written);
}

const Verb verb_write = {
    .name = "write",
    .synopsis = "ID:PATH",
    .summary = "Write standard input to a file of a sandbox.",
    .description =
        "Missing parent directories are created. The file is replaced when all input has arrived:\n"
        "until then, and if cloche is interrupted, it is unchanged. With --append, the input is\n"
        "appended as it arrives.\n"
        "\n"
        "Examples:\n"
        "  echo 'print(42)' | cloche write $id:script.py --mode 755\n"
        "  cloche write $id:/etc/motd --user root < motd",
    .when_too_many = "the contents come from standard input",
    .run = run,
};
