/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cat: files of sandboxes to standard output, as they come. */
#include <errno.h>
#include <unistd.h>

#include "guest.h"
#include "transfer.h"
#include "verbs.h"

static gboolean
copy_out(Stream *stream, gpointer data, GError **error)
{
    const char *word = data;
    Stream out = {.fd = STDOUT_FILENO, .interrupted = stream->interrupted};
    char bytes[65536];
    gssize n;
    int r = 0;

    while ((n = stream_read(stream, bytes, sizeof(bytes))) > 0 && r == 0)
        r = stream_write(&out, bytes, n);
    if (n < 0)
        stream_set_error(error, (int)n, word);
    else if (r < 0)
        stream_set_error(error, r, "standard output");
    return n == 0 && r == 0;
}

static gboolean
show(Cli *cli, Guest *guest, char *word, GError **error)
{
    g_auto(Place) place = {0};
    Stream stream = {0};

    if (!place_parse(word, &place, error))
        return FALSE;
    if (!guest_open(guest, cli, place.id, error))
        return FALSE;
    stream.fd = guest_read_file(guest, cli, place.path, error);
    return stream.fd >= 0 && transfer_finish(transfer_start(cli, &stream, copy_out, word), error);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Guest) guest = {0};
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {GUEST_USER_OPTION(guest), G_OPTION_ENTRY_NULL};
    int status;

    if (!cli_parse_words(cli, entries, argv, /* min= */ 1, /* max= */ G_MAXUINT, &status))
        return status;
    for (char **word = cli->words; *word != NULL; word++) {
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
    .summary = "Writes files of sandboxes to standard output.",
    .description = "A PATH that does not begin with a slash is in the user's home.\n"
                   "\n"
                   "Examples:\n"
                   "  cloche cat $id:result.csv | head\n"
                   "  cloche cat $id:/etc/os-release --user root",
    .run = run,
};
