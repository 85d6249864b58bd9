/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay-fixture: each piece is followed by a turn, and by as many as empty the queues. */
#include "relay-fixture.h"

#include <string.h>

static void
on_request(const HttpFacts *facts, gpointer data)
{
    RelayFixture *f = data;

    g_string_append_printf(f->log, "%s %s %u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "%s%s%s%s\n",
                           facts->method, facts->path, facts->status, facts->bytes_up,
                           facts->bytes_down, facts->has_secret ? " secret" : "",
                           facts->unsearched ? " unsearched" : "", facts->failure ? ": " : "",
                           facts->failure ? facts->failure : "");
}

void
relay_set_up(RelayFixture *f, gconstpointer data)
{
    f->piece = GPOINTER_TO_SIZE(data);
    bytes_init(&f->client_in, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&f->client_out, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&f->server_in, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&f->server_out, HTTP_RELAY_QUEUE_MIN);
    f->options = (HttpRelayOptions){
        .host = "api.example.com", .port = 443, .tls = TRUE, .on_request = on_request, .data = f};
    f->client_got = g_string_new(NULL);
    f->server_got = g_string_new(NULL);
    f->log = g_string_new(NULL);
}

void
relay_tear_down(RelayFixture *f, gconstpointer data)
{
    http_relay_free(f->relay);
    http_filter_unref(f->options.filter);
    g_clear_pointer(&f->options.secrets, g_ptr_array_unref);
    bytes_clear(&f->client_in);
    bytes_clear(&f->client_out);
    bytes_clear(&f->server_in);
    bytes_clear(&f->server_out);
    g_string_free(f->client_got, TRUE);
    g_string_free(f->server_got, TRUE);
    g_string_free(f->log, TRUE);
}

void
relay_add_secret(RelayFixture *f, const char *name, const char *header, const char *format,
                 const char *value, const char *const *methods, const char *const *paths)
{
    g_autoptr(GError) error = NULL;
    Secret *secret = secret_new(name, header, format, value, strlen(value), methods, paths, &error);

    g_assert_no_error(error);
    if (!f->options.secrets)
        f->options.secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    g_ptr_array_add(f->options.secrets, secret);
}

/* Returns whether something was taken. */
static gboolean
drain(Bytes *queue, GString *got, gsize piece)
{
    gsize size = MIN(bytes_size(queue), piece);

    g_string_append_len(got, (const char *)bytes_peek(queue), (gssize)size);
    bytes_consume(queue, size);
    return size > 0;
}

static void
turn(RelayFixture *f)
{
    if (!f->relay)
        f->relay = http_relay_new(&f->options, (HttpRelayQueues){&f->client_in, &f->client_out,
                                                                 &f->server_in, &f->server_out});
    do
        http_relay_turn(f->relay);
    while (drain(&f->client_out, f->client_got, f->piece) ||
           drain(&f->server_out, f->server_got, f->piece));
}

static void
say(RelayFixture *f, Bytes *queue, const guint8 *data, gsize size)
{
    while (size > 0) {
        gsize part = MIN(MIN(size, f->piece), bytes_room(queue));
        g_assert_cmpuint(part, >, 0);
        bytes_put(queue, data, part);
        data += part;
        size -= part;
        turn(f);
    }
}

void
client_says(RelayFixture *f, const char *text)
{
    say(f, &f->client_in, (const guint8 *)text, strlen(text));
}

void
client_says_bytes(RelayFixture *f, gconstpointer data, gsize size)
{
    say(f, &f->client_in, data, size);
}

void
server_says(RelayFixture *f, const char *text)
{
    say(f, &f->server_in, (const guint8 *)text, strlen(text));
}

void
server_says_bytes(RelayFixture *f, gconstpointer data, gsize size)
{
    say(f, &f->server_in, data, size);
}

void
client_ends(RelayFixture *f)
{
    f->client_in.ended = TRUE;
    turn(f);
}

void
server_ends(RelayFixture *f)
{
    f->server_in.ended = TRUE;
    turn(f);
}

void
server_fails(RelayFixture *f, const char *reason)
{
    turn(f);
    http_relay_server_failed(f->relay, reason);
    turn(f);
}

void
assert_refused(RelayFixture *f, guint status, const char *reason)
{
    const char *text = status == 400 ? "Bad Request" : status == 403 ? "Forbidden" : "Bad Gateway";
    g_autofree char *expected = g_strdup_printf(
        "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
        "Connection: close\r\n\r\ncloche: %s\n",
        status, text, strlen(reason) + 9, reason);

    assert_client_got(f, expected);
    assert_server_got(f, "");
    assert_ended(f, FALSE, reason);
}

void
assert_ended(RelayFixture *f, gboolean is_broken, const char *failure)
{
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_ENDED);
    g_assert_cmpstr(http_relay_failure(f->relay), ==, failure);
    g_assert_cmpint(http_relay_is_broken(f->relay), ==, is_broken);
    g_assert_cmpint(f->client_out.ended, ==, !is_broken);
    g_assert_true(f->server_out.ended);
}

void
add_relay_test(const char *path, void (*test)(RelayFixture *f, gconstpointer data))
{
    static const gsize pieces[] = {1, 2, 7, 1000, G_MAXSIZE};

    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autofree char *name = pieces[i] == G_MAXSIZE ? g_strdup_printf("%s/at-once", path)
                                                       : g_strdup_printf("%s/%zu", path, pieces[i]);
        g_test_add(name, RelayFixture, GSIZE_TO_POINTER(pieces[i]), relay_set_up, test,
                   relay_tear_down);
    }
}
