/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-event: events are read from lines that arrive in any pieces and contain any text. */
#include "event.h"

#include <errno.h>
#include <string.h>

static void
add(EventLines *lines, const char *text)
{
    event_lines_add(lines, text, strlen(text));
}

static void
assert_line(EventLines *lines, const char *expected)
{
    g_autofree char *found = NULL;
    const char *line;
    gsize size;

    g_assert_cmpint(event_lines_next(lines, &line, &size), ==, 1);
    found = g_strndup(line, size);
    g_assert_cmpstr(found, ==, expected);
}

static void
assert_no_line(EventLines *lines, int result)
{
    const char *line;
    gsize size;

    g_assert_cmpint(event_lines_next(lines, &line, &size), ==, result);
}

static void
test_lines(void)
{
    g_auto(EventLines) lines = {0};

    event_lines_init(&lines, EVENT_LINE_MAX);
    assert_no_line(&lines, 0);
    add(&lines, "one\n\ntwo\nthr");
    assert_line(&lines, "one");
    assert_line(&lines, "");
    assert_line(&lines, "two");
    assert_no_line(&lines, 0);
    g_assert_true(event_lines_has_rest(&lines));
    add(&lines, "ee\n");
    assert_line(&lines, "three");
    assert_no_line(&lines, 0);
    g_assert_false(event_lines_has_rest(&lines));
}

static void
test_bytes_before_all_lines_are_taken(void)
{
    g_auto(EventLines) lines = {0};

    event_lines_init(&lines, EVENT_LINE_MAX);
    add(&lines, "one\ntwo\nth");
    assert_line(&lines, "one");
    add(&lines, "ree\n");
    assert_line(&lines, "two");
    assert_line(&lines, "three");
}

static void
test_line_bound(void)
{
    g_auto(EventLines) lines = {0}, whole = {0};

    event_lines_init(&lines, /* line_max= */ 4);
    add(&lines, "four\nfiver");
    assert_line(&lines, "four");
    assert_no_line(&lines, -EMSGSIZE);
    event_lines_init(&whole, /* line_max= */ 4);
    add(&whole, "fiver\n");
    assert_no_line(&whole, -EMSGSIZE);
}

static void
test_line_of_many_parts(void)
{
    g_autofree char *text = g_strnfill(100000, 'x');
    g_auto(EventLines) lines = {0};

    event_lines_init(&lines, EVENT_LINE_MAX);
    for (gsize at = 0; at < 100000; at += 1000) {
        event_lines_add(&lines, text + at, 1000);
        assert_no_line(&lines, 0);
    }
    add(&lines, "\nend\n");
    assert_line(&lines, text);
    assert_line(&lines, "end");
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
    g_test_add_func("/client/event/lines", test_lines);
    g_test_add_func("/client/event/bytes-before-all-lines-are-taken",
                    test_bytes_before_all_lines_are_taken);
    g_test_add_func("/client/event/line-bound", test_line_bound);
    g_test_add_func("/client/event/line-of-many-parts", test_line_of_many_parts);
    g_test_add_func("/client/event/text", test_text);
    g_test_add_func("/client/event/no-events", test_no_events);
    g_test_add_func("/client/event/data", test_data);
    g_test_add_func("/client/event/data-that-are-none", test_data_that_are_none);
    return g_test_run();
}
