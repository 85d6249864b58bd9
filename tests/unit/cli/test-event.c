/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-event: lines however they are cut, and events whatever is in them. */
#include "event.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int writer;
    Stream stream;
    EventLines lines;
} Wire;

static void
wire_open(Wire *wire, gsize line_max)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    wire->writer = ends[0];
    wire->stream = (Stream){.fd = ends[1]};
    event_lines_init(&wire->lines, &wire->stream, line_max);
}

static void
wire_say(Wire *wire, const char *text)
{
    g_assert_cmpint(write(wire->writer, text, strlen(text)), ==, (int)strlen(text));
}

static void
wire_end(Wire *wire)
{
    close(wire->writer);
    wire->writer = -1;
}

static void
wire_close(Wire *wire)
{
    if (wire->writer >= 0)
        close(wire->writer);
    close(wire->stream.fd);
    event_lines_clear(&wire->lines);
}

static void
assert_next(Wire *wire, const char *expected)
{
    g_autofree char *found = NULL;
    const char *line;
    gsize size;

    g_assert_cmpint(event_lines_next(&wire->lines, &line, &size), ==, 1);
    found = g_strndup(line, size);
    g_assert_cmpstr(found, ==, expected);
}

static void
assert_ends(Wire *wire, int how)
{
    const char *line;
    gsize size;

    g_assert_cmpint(event_lines_next(&wire->lines, &line, &size), ==, how);
}

static void
test_lines(void)
{
    Wire wire;

    wire_open(&wire, EVENT_LINE_MAX);
    wire_say(&wire, "one\n\ntwo\nthr");
    assert_next(&wire, "one");
    assert_next(&wire, "");
    assert_next(&wire, "two");
    wire_say(&wire, "ee\n");
    assert_next(&wire, "three");
    wire_end(&wire);
    assert_ends(&wire, 0);
    wire_close(&wire);
}

static void
test_end_inside_of_a_line(void)
{
    Wire wire;

    wire_open(&wire, EVENT_LINE_MAX);
    wire_say(&wire, "one\ntw");
    wire_end(&wire);
    assert_next(&wire, "one");
    assert_ends(&wire, -ECONNRESET);
    wire_close(&wire);
}

static void
test_line_bound(void)
{
    Wire wire;

    wire_open(&wire, 4);
    wire_say(&wire, "four\nfiver");
    assert_next(&wire, "four");
    assert_ends(&wire, -EMSGSIZE);
    wire_close(&wire);
    wire_open(&wire, 4);
    wire_say(&wire, "fiver\n");
    assert_ends(&wire, -EMSGSIZE);
    wire_close(&wire);
}

static void
test_line_of_many_reads(void)
{
    g_autofree char *text = g_strnfill(100000, 'x');
    Wire wire;

    wire_open(&wire, EVENT_LINE_MAX);
    wire_say(&wire, text);
    wire_say(&wire, "\nend\n");
    assert_next(&wire, text);
    assert_next(&wire, "end");
    wire_close(&wire);
}

static JsonObject *
parse(const char *line)
{
    g_autoptr(GError) error = NULL;
    JsonObject *event = event_parse(line, strlen(line), &error);

    g_assert_no_error(error);
    return event;
}

static void
test_text(void)
{
    g_autoptr(JsonObject) event = parse("{\"type\":\"stdout\",\"time\":1,\"text\":\"ä\\n\\\"\"}");

    g_assert_cmpstr(event_text(event, "type"), ==, "stdout");
    g_assert_cmpstr(event_text(event, "text"), ==, "ä\n\"");
    g_assert_cmpstr(event_text(event, "time"), ==, "");
    g_assert_cmpstr(event_text(event, "nothing"), ==, "");
}

static void
test_no_events(void)
{
    static const char *const lines[] = {"", "null", "[]", "{", "\"x\"", "{\"a\":}", "\xff"};

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(event_parse(lines[i], strlen(lines[i]), &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

static void
assert_datum(GPtrArray *data, guint index, const char *mime, const char *bytes, gsize size)
{
    const EventDatum *datum = g_ptr_array_index(data, index);
    gsize found_size;
    gconstpointer found = g_bytes_get_data(datum->bytes, &found_size);

    g_assert_cmpstr(datum->mime, ==, mime);
    g_assert_cmpmem(found, found_size, bytes, size);
}

static void
test_data(void)
{
    g_autoptr(JsonObject) event =
        parse("{\"type\":\"result\",\"data\":{\"image/png\":\"iVBORwA=\",\"text/plain\":\"aGk=\","
              "\"image/svg+xml\":\"<svg>\",\"application/vnd.x+json\":\"[1]\","
              "\"application/javascript\":\"x\",\"application/pdf\":\"\",\"text/html\":7}}");
    g_autoptr(GPtrArray) data = event_data(event);

    g_assert_cmpuint(data->len, ==, 7);
    assert_datum(data, 0, "image/png", "\x89PNG", 5);
    assert_datum(data, 1, "text/plain", "aGk=", 4);
    assert_datum(data, 2, "image/svg+xml", "<svg>", 5);
    assert_datum(data, 3, "application/vnd.x+json", "[1]", 3);
    assert_datum(data, 4, "application/javascript", "x", 1);
    assert_datum(data, 5, "application/pdf", "", 0);
    assert_datum(data, 6, "text/html", "", 0);
}

static void
test_data_that_are_none(void)
{
    static const char *const lines[] = {"{}", "{\"data\":[]}", "{\"data\":null}",
                                        "{\"data\":\"x\"}"};

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(JsonObject) event = parse(lines[i]);
        g_autoptr(GPtrArray) data = event_data(event);

        g_assert_cmpuint(data->len, ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/event/lines", test_lines);
    g_test_add_func("/cli/event/end-inside-of-a-line", test_end_inside_of_a_line);
    g_test_add_func("/cli/event/line-bound", test_line_bound);
    g_test_add_func("/cli/event/line-of-many-reads", test_line_of_many_reads);
    g_test_add_func("/cli/event/text", test_text);
    g_test_add_func("/cli/event/no-events", test_no_events);
    g_test_add_func("/cli/event/data", test_data);
    g_test_add_func("/cli/event/data-that-are-none", test_data_that_are_none);
    return g_test_run();
}
