/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cat: files of sandboxes, written to standard output as they arrive. */
#include <errno.h>
#include <unistd.h>

#include "copy.h"
#include "guest.h"
#include "terminal-filter.h"
#include "verbs.h"

typedef struct {
    gboolean is_there;
    int read_error, write_error; /* errno, or 0 */
    TerminalFilter filter;
} CopyResult;

static void
on_ended(int read_error, int write_error, gpointer data)
{
    CopyResult *result = data;

    result->is_there = TRUE;
    result->read_error = read_error;
    result->write_error = write_error;
}

static gboolean
pass(const guint8 *bytes, gsize size, GByteArray *out, gpointer data)
{
    terminal_filter(&((CopyResult *)data)->filter, bytes, size, out);
    return size > 0;
}

static gboolean
copy_out(Cli *cli, int fd, const char *word, GError **error)
{
    CopyResult result = {0};
    Copy *copy =
        copy_new(fd, STDOUT_FILENO, isatty(STDOUT_FILENO) ? pass : NULL, on_ended, &result);

    while (!result.is_there && cli->signal == 0)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    copy_free(copy);
    if (!result.is_there)
        stream_set_error(error, -ECANCELED, word);
    else if (result.write_error != 0)
        stream_set_error(error, -result.write_error, "standard output");
    else if (result.read_error != 0)
        stream_set_error(error, -result.read_error, word);
    return result.is_there && result.write_error == 0 && result.read_error == 0;
}

static gboolean
show(Cli *cli, Guest *guest, const char *word, GError **error)
{
    g_auto(GuestPath) place = {0};
    gboolean is_done;
    int fd;

    if (!guest_path_parse(word, &place, error) || !guest_open(guest, cli, place.id, error))
        return FALSE;
    fd = guest_read_file(guest, cli, place.path, error);
    if (fd < 0)
        return FALSE;
    is_done = copy_out(cli, fd, word, error);
    close(fd);
    return is_done;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Guest) guest = {0};
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {guest_user_entry(&guest), G_OPTION_ENTRY_NULL};
    int status;

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 1, /* max= */ G_MAXUINT, &status))
        return status;
    for (char **word = cli->arguments; *word != NULL; word++) {
        if (show(cli, &guest, *word, &error))
            continue;
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_PIPE))
            return CLI_READER_LEFT;
        return cli_fail(cli, error);
    }
    return CLI_OK;
}

const Verb verb_cat = {
    .name = "cat",
    .synopsis = "ID:PATH...",
    .summary = "Write files of sandboxes to standard output.",
    .description = "A PATH that does not begin with a slash is relative to the user's home.\n"
                   "\n"
                   "Examples:\n"
                   "  cloche cat $id:result.csv | head\n"
                   "  cloche cat $id:/etc/os-release --user root",
    .run = run,
};
