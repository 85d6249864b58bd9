/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-hint: evidence from the error output first, then from the service. */
#include "network-hint.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "dictionary.h"
#include "guest.h"
#include "network-message.h"
#include "network-text.h"
#include "network.h"
#include "sandbox.h"

#define TAIL_MAX (64u * 1024)
#define EVENTS_MAX (1024u * 1024) /* bytes that are read of the connections */
/* The reason of src/relay/http-relay.c for the end of a connection. */
#define CUT_OFF "the response contains a secret"

/* Without a dialog of polkit: the user has not asked for these calls. */
#define QUIET_CALL G_DBUS_CALL_FLAGS_NONE, -1

struct NetworkHint {
    Cli *cli;
    ClocheSandbox *sandbox;
    gboolean is_alone, was_given;
    GByteArray *tail; /* of the error output, at most twice TAIL_MAX */
    GCancellable *leaving;
    gboolean is_following;
    GAsyncResult *begun; /* the reply to WatchConnections() or the first GetTraffic(), if called */
};

NetworkHint *
network_hint_new(Cli *cli, ClocheSandbox *sandbox, gboolean is_alone)
{
    NetworkHint *hint = g_new0(NetworkHint, 1);

    hint->cli = cli;
    hint->sandbox = g_object_ref(sandbox);
    hint->is_alone = is_alone;
    hint->tail = g_byte_array_new();
    hint->leaving = g_cancellable_new();
    if (!is_alone)
        cloche_sandbox_call_get_traffic(sandbox, QUIET_CALL, hint->leaving, cli_on_reply,
                                        &hint->begun);
    return hint;
}

void
network_hint_follow(NetworkHint *hint)
{
    if (hint == NULL || !hint->is_alone || hint->is_following)
        return;
    hint->is_following = TRUE;
    cloche_sandbox_call_watch_connections(hint->sandbox, g_variant_new("a{sv}", NULL), QUIET_CALL,
                                          /* fds= */ NULL, hint->leaving, cli_on_reply,
                                          &hint->begun);
}

void
network_hint_free(NetworkHint *hint)
{
    if (hint == NULL)
        return;
    g_cancellable_cancel(hint->leaving);
    if (hint->is_following || !hint->is_alone)
        cli_await(&hint->begun);
    g_clear_object(&hint->begun);
    g_object_unref(hint->leaving);
    g_object_unref(hint->sandbox);
    g_byte_array_unref(hint->tail);
    g_free(hint);
}

/* --- the error output --- */

void
network_hint_reset(NetworkHint *hint)
{
    if (hint != NULL)
        g_byte_array_set_size(hint->tail, 0);
}

void
network_hint_add(NetworkHint *hint, const void *bytes, gsize size)
{
    if (hint == NULL || size == 0)
        return;
    if (size > TAIL_MAX) {
        bytes = (const guint8 *)bytes + (size - TAIL_MAX);
        size = TAIL_MAX;
    }
    if (hint->tail->len > TAIL_MAX)
        g_byte_array_remove_range(hint->tail, 0, hint->tail->len - TAIL_MAX);
    g_byte_array_append(hint->tail, bytes, (guint)size);
}

/* --- refused connections --- */

/* FALSE: unknown. */
static gboolean
count_refused(GVariant *figures, guint64 *ret_count)
{
    return figures != NULL && g_variant_lookup(figures, "refused", "t", ret_count);
}

/* Without other clients, all were refused to this command. */
static gboolean
refused_before(NetworkHint *hint, guint64 *ret_count)
{
    g_autoptr(GVariant) figures = NULL;

    *ret_count = 0;
    if (hint->is_alone)
        return TRUE;
    cli_await(&hint->begun);
    cloche_sandbox_call_get_traffic_finish(hint->sandbox, &figures, hint->begun,
                                           /* error= */ NULL);
    return count_refused(figures, ret_count);
}

static guint64
refused_meanwhile(NetworkHint *hint)
{
    g_autoptr(GVariant) figures = network_figures(hint->cli, hint->sandbox, /* error= */ NULL);
    guint64 before, after;

    if (!refused_before(hint, &before) || !count_refused(figures, &after))
        return 0;
    return after > before ? after - before : 0;
}

static gboolean
is_cut_off(JsonObject *event)
{
    return g_str_equal(event_text(event, "event"), "close") &&
           g_str_equal(event_text(event, "reason"), CUT_OFF);
}

static void
take_events(EventLines *lines, JsonObject **last)
{
    const char *line;
    gsize size;

    while (event_lines_next(lines, &line, &size) > 0) {
        g_autoptr(JsonObject) event = event_parse(line, size, /* error= */ NULL);

        if (event != NULL &&
            (g_str_equal(event_text(event, "event"), "refused") || is_cut_off(event))) {
            g_clear_pointer(last, json_object_unref);
            *last = g_steal_pointer(&event);
        }
    }
}

/* Returns the last connection that was refused or cut off, or NULL. The lines were written before
 * the figures were returned, so none is waited for. */
static JsonObject *
read_last_event(int fd)
{
    g_auto(EventLines) lines = {0};
    char bytes[16384];
    JsonObject *last = NULL;
    gsize total = 0;
    ssize_t n = 1;

    event_lines_init(&lines, sizeof bytes);
    g_unix_set_fd_nonblocking(fd, TRUE, /* error= */ NULL);
    while (n != 0 && total < EVENTS_MAX) {
        n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno != EINTR)
            break;
        total += (gsize)MAX(n, 0);
        event_lines_add(&lines, bytes, (gsize)MAX(n, 0));
        take_events(&lines, &last);
    }
    return last;
}

static JsonObject *
last_event(NetworkHint *hint)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;
    JsonObject *last;
    int fd = -1;

    if (!hint->is_following)
        return NULL;
    cli_await(&hint->begun);
    if (cloche_sandbox_call_watch_connections_finish(hint->sandbox, &handle, &fds, hint->begun,
                                                     /* error= */ NULL))
        fd = guest_take_fd(handle, fds, /* error= */ NULL);
    if (fd < 0)
        return NULL;
    last = read_last_event(fd);
    close(fd);
    return last;
}

/* --- the line --- */

static void
note_off(const NetworkHint *hint)
{
    g_autofree char *command = hint->is_alone ? g_strdup("--network internet")
                                              : g_strdup_printf("cloche network %s --mode internet",
                                                                sandbox_id(hint->sandbox));

    cli_note("the sandbox has no network: '%s' gives it one, '--allow HOST' only one host",
             command);
}

static void
note_event(JsonObject *event)
{
    g_autofree char *place = network_text_place(event);
    const char *reason = network_text_reason(event);

    if (is_cut_off(event))
        cli_note("a response of %s was cut off, because it contains the value of a secret", place);
    else if (g_str_equal(reason, "not in allow"))
        cli_note("the network of the sandbox refused %s: '--allow %s' permits it", place, place);
    else
        cli_note("the network of the sandbox refused %s: %s", place, reason);
}

/* The sandbox of one command is about to end. */
static void
note_refused_count(const NetworkHint *hint, guint64 count)
{
    g_autofree char *what = g_strdup_printf("the network of the sandbox refused %" G_GUINT64_FORMAT
                                            " connection%s in the meantime",
                                            count, count == 1 ? "" : "s");

    if (hint->is_alone)
        cli_note("%s: '--allow HOST' permits them", what);
    else
        cli_note("%s: 'cloche network %s' shows what it permits, with --log what it refuses", what,
                 sandbox_id(hint->sandbox));
}

/* Returns whether a connection was refused or cut off. */
static gboolean
note_connections(NetworkHint *hint)
{
    guint64 count = refused_meanwhile(hint);
    g_autoptr(JsonObject) event = last_event(hint);

    if (event != NULL)
        note_event(event);
    else if (count > 0)
        note_refused_count(hint, count);
    return event != NULL || count > 0;
}

/* Returns whether the network is the reason. */
static gboolean
explain(NetworkHint *hint, NetworkMessage message)
{
    g_autoptr(GVariant) network = network_read(hint->cli, hint->sandbox, /* error= */ NULL);

    if (network == NULL)
        return FALSE;
    if (g_str_equal(dictionary_text(network, "mode"), "off")) {
        if (message == NETWORK_MESSAGE_CERTAIN)
            note_off(hint);
        return message == NETWORK_MESSAGE_CERTAIN;
    }
    if (g_str_equal(dictionary_text(network, "state"), "closed")) {
        cli_note("the network of the sandbox is closed: %s", dictionary_text(network, "reason"));
        return TRUE;
    }
    return note_connections(hint);
}

void
network_hint_give(NetworkHint *hint)
{
    NetworkMessage message;

    if (hint == NULL || hint->was_given || hint->cli->signal != 0)
        return;
    message = network_message_find((const char *)hint->tail->data, hint->tail->len);
    if (message != NETWORK_MESSAGE_NONE)
        hint->was_given = explain(hint, message);
}
