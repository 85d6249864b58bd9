/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-compose: the state of a snapshot, of what was captured. */
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "compose.h"
#include "error.h"
#include "streams.h"

#define RAM "0a0b0000"

static GByteArray *
compose(const GByteArray *state, const char *ram, const GByteArray *capture, GError **error)
{
    int fds[] = {stream_file(state->data, state->len), stream_ram(ram),
                 stream_file(capture->data, capture->len), stream_file("", 0)};
    GByteArray *made =
        compose_state(fds[0], fds[1], fds[2], fds[3], error) ? stream_read(fds[3]) : NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    return made;
}

static void
append(GByteArray *to, GByteArray *from)
{
    g_byte_array_append(to, from->data, from->len);
    g_byte_array_unref(from);
}

static void
put_page(GByteArray *to, guint64 head, const char *block, guint8 content)
{
    guint8 page[STREAM_PAGE];

    memset(page, content, sizeof page);
    stream_put(to, head, 8);
    if (block)
        stream_put_text(to, block);
    g_byte_array_append(to, page, sizeof page);
}

static void
begin_part(GByteArray *to)
{
    stream_put(to, 0x02, 1);
    stream_put(to, STREAM_SECTION, 4);
}

static void
end_part(GByteArray *to)
{
    stream_put(to, 0x10, 8);
    stream_put(to, 0x7e, 1);
    stream_put(to, STREAM_SECTION, 4);
}

static void
test_composition(void)
{
    g_autoptr(GByteArray) state = stream_state(), capture = stream_capture("of the machine");
    g_autoptr(GByteArray) expected = stream_head(), made = NULL;
    GError *error = NULL;

    stream_add_run(capture, 0, "xa"); /* the second one is equal to the template's */
    stream_add_run(capture, 3, "0");  /* was not zero */
    stream_add_run(capture, 5, "0yz");
    stream_end_capture(capture, 3);
    made = compose(state, RAM, capture, &error);
    g_assert_no_error(error);

    begin_part(expected);
    put_page(expected, 0 | 0x08, "cloche.ram", 'x');
    stream_put(expected, (3 * STREAM_PAGE) | 0x22, 8);
    stream_put(expected, 0, 1);
    put_page(expected, (6 * STREAM_PAGE) | 0x28, NULL, 'y');
    put_page(expected, (7 * STREAM_PAGE) | 0x28, NULL, 'z');
    end_part(expected);
    append(expected, stream_end());
    append(expected, stream_devices("of the machine"));
    g_assert_cmpmem(made->data, made->len, expected->data, expected->len);
}

static void
test_nothing_changed(void)
{
    g_autoptr(GByteArray) state = stream_state(), capture = stream_capture("of the machine");
    g_autoptr(GByteArray) expected = stream_head(), made = NULL;
    GError *error = NULL;

    stream_end_capture(capture, 0);
    made = compose(state, RAM, capture, &error);
    g_assert_no_error(error);
    begin_part(expected);
    end_part(expected);
    append(expected, stream_end());
    append(expected, stream_devices("of the machine"));
    g_assert_cmpmem(made->data, made->len, expected->data, expected->len);
}

/* As QEMU 10 writes it: commands, here one without and one with data, come before the end of RAM.
 */
static void
test_commands(void)
{
    g_autoptr(GByteArray) state = stream_head(), capture = stream_capture("of the machine");
    g_autoptr(GByteArray) expected = stream_head(), made = NULL;
    static const guint8 commands[] = {0x08, 0, 0x0b, 0, 0, 0x08, 0, 0x03, 0, 2, 'x', 0x7e};
    GError *error = NULL;

    g_byte_array_append(state, commands, sizeof commands);
    append(state, stream_end());
    append(state, stream_devices("of the template"));
    stream_add_run(capture, 0, "x");
    stream_end_capture(capture, 1);
    made = compose(state, RAM, capture, &error);
    g_assert_no_error(error);

    begin_part(expected);
    put_page(expected, 0 | 0x08, "cloche.ram", 'x');
    end_part(expected);
    g_byte_array_append(expected, commands, sizeof commands);
    append(expected, stream_end());
    append(expected, stream_devices("of the machine"));
    g_assert_cmpmem(made->data, made->len, expected->data, expected->len);
}

/* A state of many chunks. */
static void
test_large(void)
{
    const guint pages = 700;
    g_autofree char *same = g_strnfill(pages, 'a'), *other = g_strnfill(pages, 'b');
    g_autoptr(GByteArray) state = stream_state(), capture = stream_capture("d"), made = NULL;
    const guint64 size = GUINT64_TO_BE((guint64)pages * STREAM_PAGE);
    const guint64 total = GUINT64_TO_BE(((guint64)pages * STREAM_PAGE + 2 * STREAM_PAGE) | 4);
    gsize list = 8 + 1 + 4 + 10 + 1 + 27 + 4 + 4 + 16 + 1 + 4 + 4 + 8;
    GError *error = NULL;

    memcpy(state->data + list, &total, sizeof total);
    memcpy(state->data + list + 8 + 11, &size, sizeof size);
    other[pages - 1] = 'a';
    stream_add_run(capture, 0, other);
    stream_end_capture(capture, 1);
    made = compose(state, same, capture, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(made->len, >, (pages - 1) * STREAM_PAGE);
    g_assert_cmpuint(made->len, <, (pages + 4) * STREAM_PAGE);
}

/* --- what is refused --- */

static void
refuse(const GByteArray *state, const char *ram, const GByteArray *capture, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(compose(state, ram, capture, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    if (!strstr(error->message, text))
        g_error("'%s' is not in: %s", text, error->message);
}

static GByteArray *
good_capture(void)
{
    GByteArray *capture = stream_capture("of the machine");

    stream_add_run(capture, 2, "xy");
    stream_add_run(capture, 7, "z");
    stream_end_capture(capture, 2);
    return capture;
}

/* No part of a state or of a capture is a whole. */
static void
test_cut_off(void)
{
    g_autoptr(GByteArray) state = stream_state(), capture = good_capture();
    g_autoptr(GByteArray) devices = stream_devices("of the template");
    guint length = state->len;

    for (state->len = 0; state->len < length - devices->len; state->len++)
        if (state->len < 300 || state->len % 97 == 0)
            refuse(state, RAM, capture, "the template's state");
    state->len = length;
    length = capture->len;
    for (capture->len = 0; capture->len < length; capture->len++)
        if (capture->len < 300 || capture->len % 97 == 0 || capture->len > length - 100)
            refuse(state, RAM, capture, "it is cut off");
    g_byte_array_append(capture, (const guint8 *)"", 1);
    g_byte_array_append(capture, (const guint8 *)"", 1);
    refuse(state, RAM, capture, "goes on after its end");
}

static void
refuse_run(guint64 offset, guint64 size, const char *text)
{
    g_autoptr(GByteArray) state = stream_state(), capture = stream_capture("d");

    stream_add_run(capture, 1, "x");
    stream_put_le64(capture, offset);
    stream_put_le64(capture, size);
    g_byte_array_set_size(capture, capture->len + 2 * STREAM_RAM_SIZE);
    refuse(state, RAM, capture, text);
}

static void
test_runs(void)
{
    const guint64 end = STREAM_RAM_SIZE;

    refuse_run(2 * STREAM_PAGE + 1, STREAM_PAGE, "does not consist of pages");
    refuse_run(2 * STREAM_PAGE, STREAM_PAGE - 1, "does not consist of pages");
    refuse_run(2 * STREAM_PAGE, 0, "does not consist of pages");
    refuse_run(1 * STREAM_PAGE, STREAM_PAGE, "overlap");
    refuse_run(0, STREAM_PAGE, "overlap");
    refuse_run(end - STREAM_PAGE, 2 * STREAM_PAGE, "beyond the memory");
    refuse_run(end, STREAM_PAGE, "beyond the memory");
    refuse_run(2 * STREAM_PAGE, -(guint64)STREAM_PAGE, "beyond the memory");
    refuse_run(-(guint64)2 * STREAM_PAGE, STREAM_PAGE, "beyond the memory");
}

static void
test_count_of_runs(void)
{
    g_autoptr(GByteArray) state = stream_state(), few = stream_capture("d");
    g_autoptr(GByteArray) many = stream_capture("d");

    stream_add_run(few, 1, "x");
    stream_end_capture(few, 2);
    refuse(state, RAM, few, "as many runs");
    stream_add_run(many, 1, "x");
    stream_end_capture(many, 0);
    refuse(state, RAM, many, "as many runs");
}

static void
refuse_byte(gsize at, guint8 byte, const char *text)
{
    g_autoptr(GByteArray) state = stream_state(), capture = good_capture();

    capture->data[at] = byte;
    refuse(state, RAM, capture, text);
}

static void
test_devices(void)
{
    g_autoptr(GByteArray) devices = stream_devices("of the machine");
    g_autoptr(GByteArray) state = stream_state(), empty = g_byte_array_new();

    refuse_byte(0, 'C', "does not begin as one");
    refuse_byte(15, '2', "does not begin as one");
    refuse_byte(16 + 7, 1, "too large");
    refuse_byte(24, 'q', "state of the devices");
    refuse_byte(24 + 7, 4, "state of the devices");
    refuse_byte(24 + 8, 0x07, "state of the devices");
    refuse_byte(24 + 8 + devices->len - 1, 0x01, "state of the devices");
    g_byte_array_append(empty, (const guint8 *)"cloche-capture-1", 16);
    stream_put_le64(empty, 0);
    stream_end_capture(empty, 0);
    refuse(state, RAM, empty, "state of the devices");
}

/* One byte less than too large. */
static void
test_size_of_devices(void)
{
    g_autoptr(GByteArray) state = stream_state(), capture = g_byte_array_new(), made = NULL;
    GError *error = NULL;

    g_byte_array_append(capture, (const guint8 *)"cloche-capture-1", 16);
    stream_put_le64(capture, CAPTURE_DEVICES_MAX);
    g_byte_array_append(capture, (const guint8 *)"QEVM\0\0\0\003\004", 9);
    g_byte_array_set_size(capture, 24 + CAPTURE_DEVICES_MAX);
    memset(capture->data + 24 + 9, 0, CAPTURE_DEVICES_MAX - 9);
    stream_end_capture(capture, 0);
    made = compose(state, RAM, capture, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(made->len, >, CAPTURE_DEVICES_MAX);
    capture->data[16] = 1;
    refuse(state, RAM, capture, "too large");
}

static void
refuse_state(gsize at, guint8 byte)
{
    g_autoptr(GByteArray) state = stream_state(), capture = good_capture();

    g_assert_cmpint(state->data[at], !=, byte);
    state->data[at] = byte;
    refuse(state, RAM, capture, "the form that is known");
}

static void
test_state(void)
{
    const gsize name = 8 + 1 + 4, sub = name + 10, ram = sub + 1 + 27 + 4 + 4 + 16;
    g_autoptr(GByteArray) head = stream_head();

    refuse_state(0, 'q');
    refuse_state(7, 4);            /* version */
    refuse_state(8, 0x04);         /* no configuration */
    refuse_state(sub, 0x01);       /* no capabilities */
    refuse_state(sub + 5, 'X');    /* another subsection */
    refuse_state(ram - 3, 'X');    /* another capability */
    refuse_state(ram, 0x02);       /* no start of RAM */
    refuse_state(ram + 6, 'X');    /* of something else */
    refuse_state(head->len, 0x04); /* no end of RAM */
    refuse_state(head->len + 4, 9);
    refuse_state(head->len - 1, 9); /* another footer */
    refuse_state(head->len - 6, 0x11);
}

static void
test_size_of_ram(void)
{
    g_autoptr(GByteArray) state = stream_state(), capture = good_capture();

    refuse(state, RAM "0", capture, "the size");
    refuse(state, "0a0b000", capture, "the size");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/compose/composition", test_composition);
    g_test_add_func("/store/compose/nothing-changed", test_nothing_changed);
    g_test_add_func("/store/compose/commands", test_commands);
    g_test_add_func("/store/compose/large", test_large);
    g_test_add_func("/store/compose/cut-off", test_cut_off);
    g_test_add_func("/store/compose/runs", test_runs);
    g_test_add_func("/store/compose/count-of-runs", test_count_of_runs);
    g_test_add_func("/store/compose/devices", test_devices);
    g_test_add_func("/store/compose/size-of-devices", test_size_of_devices);
    g_test_add_func("/store/compose/state", test_state);
    g_test_add_func("/store/compose/size-of-ram", test_size_of_ram);
    return g_test_run();
}
