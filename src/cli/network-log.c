/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-log: a line for each connection of a sandbox, as it begins, ends or is refused. */
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "network-text.h"
#include "network.h"
#include "sandbox.h"

#define LINE_MAX_SIZE (64u * 1024)
#define READ_SIZE 16384

static int
open_events(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;

    cloche_sandbox_call_watch_connections(sandbox, g_variant_new("a{sv}", NULL), CLIENT_CALL,
                                          /* fds= */ NULL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_watch_connections_finish(sandbox, &handle, &fds, reply, error))
        return -1;
    return guest_take_fd(handle, fds, error);
}

typedef struct {
    gboolean as_json;
    Stream out;
} Log;

/* The line is written anew: what is between the tokens of JSON is not for a terminal. */
static char *
show_event(const Log *log, JsonObject *event)
{
    g_autofree char *text = NULL;
    JsonNode *node;

    if (log->as_json) {
        node = json_node_new(JSON_NODE_OBJECT);
        json_node_set_object(node, event);
        return json_to_line(node);
    }
    text = network_text_event(event);
    return g_strconcat(text, "\n", NULL);
}

static gboolean
write_event(Log *log, const char *line, gsize size, GError **error)
{
    g_autoptr(JsonObject) event = event_parse(line, size, error);
    g_autofree char *shown = event != NULL ? show_event(log, event) : NULL;
    int r = shown != NULL ? stream_write(&log->out, shown, strlen(shown)) : 0;

    if (r < 0)
        stream_set_error(error, r, "standard output");
    return shown != NULL && r == 0;
}

/* A TransferWork. */
static gboolean
follow(Stream *stream, gpointer data, GError **error)
{
    Log *log = data;
    g_auto(EventLines) lines = {0};
    char bytes[READ_SIZE];
    const char *line;
    gsize size;
    gssize n;
    int r;

    log->out = (Stream){.fd = STDOUT_FILENO, .interrupted = stream->interrupted};
    event_lines_init(&lines, LINE_MAX_SIZE);
    while ((n = stream_read(stream, bytes, sizeof bytes)) > 0) {
        event_lines_add(&lines, bytes, (gsize)n);
        while ((r = event_lines_next(&lines, &line, &size)) > 0)
            if (!write_event(log, line, size, error))
                return FALSE;
        if (r < 0)
            return stream_set_error(error, r, "the events of the network");
    }
    return n == 0 || stream_set_error(error, (int)n, "the events of the network");
}

/* Standard error says why the log has ended, unless the user knows. */
static int
end_status(Cli *cli, ClocheSandbox *sandbox)
{
    if (!cli->json)
        cli_note("the network of %s was switched off or closed, or the sandbox has ended",
                 sandbox_id(sandbox));
    return CLI_OK;
}

int
network_log(Cli *cli, ClocheSandbox *sandbox)
{
    Log log = {.as_json = cli->json};
    Stream stream = {0};
    g_autoptr(GError) error = NULL;

    stream.fd = open_events(cli, sandbox, &error);
    if (stream.fd >= 0 && transfer_finish(transfer_start(cli, &stream, follow, &log), &error))
        return end_status(cli, sandbox);
    if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_PIPE))
        return CLI_READER_LEFT;
    return cli->signal != 0 ? 128 + cli->signal : cli_fail(cli, error);
}
