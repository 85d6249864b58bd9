/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-wire: the codec accepts each bound and refuses what is just outside of it. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "wire.h"

static guint8 frame[WIRE_FRAME_MAX + 16];

/* A frame with a payload of `length` bytes; returns its size. */
static gsize
make_frame(WireHeader header)
{
    memset(frame, 0xAA, sizeof frame);
    wire_header_put(frame, &header);
    gsize whole = WIRE_HEADER_SIZE + header.length + 1;
    if (whole <= sizeof frame)
        frame[whole - 1] = WIRE_END;
    return MIN(whole, sizeof frame);
}

static int
get(gsize size)
{
    WireHeader header;
    const guint8 *payload;
    gsize whole;
    return wire_frame_get(frame, size, &header, &payload, &whole);
}

static int
get_made(WireHeader header)
{
    return get(make_frame(header));
}

static void
test_header(void)
{
    static const guint8 expected[] = {0x04, 0x03, 0x02, 0x01, 0x08, 0x07, 0x06, 0x05, 9, 3, 0, 0};
    guint8 raw[WIRE_HEADER_SIZE];

    wire_header_put(raw, &(WireHeader){0x01020304, 0x05060708, 9, 3});
    g_assert_cmpmem(raw, sizeof raw, expected, sizeof expected);
}

static void
test_frame_bounds(void)
{
    g_assert_cmpint(get_made((WireHeader){WIRE_PAYLOAD_MAX, 1, WIRE_DATA, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){WIRE_PAYLOAD_MAX + 1, 1, WIRE_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){G_MAXUINT32, 1, WIRE_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 1, WIRE_DATA, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, G_MAXUINT32, WIRE_DATA, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, 0, WIRE_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 0, WIRE_HELLO, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, 1, WIRE_HELLO, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 0, 0, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 1, WIRE_DATA, _WIRE_CHANNELS - 1}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, 1, WIRE_DATA, _WIRE_CHANNELS}), ==, -EPROTO);
    /* The codec does not check the type; its caller does. */
    g_assert_cmpint(get_made((WireHeader){0, 1, 255, 0}), ==, 1);

    for (guint i = 10; i < WIRE_HEADER_SIZE; i++) {
        gsize size = make_frame((WireHeader){0, 1, WIRE_DATA, 0});
        frame[i] = 1;
        g_assert_cmpint(get(size), ==, -EPROTO);
    }
}

static void
test_end_mark(void)
{
    static const guint8 wrong[] = {0, WIRE_END - 1, WIRE_END + 1, 0xFF};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        gsize size = make_frame((WireHeader){5, 1, WIRE_DATA, 0});
        frame[size - 1] = wrong[i];
        g_assert_cmpint(get(size - 1), ==, 0);
        g_assert_cmpint(get(size), ==, -EPROTO);
    }
}

static void
test_byte_by_byte(void)
{
    WireHeader header = {0};
    const guint8 *payload = NULL;
    gsize whole = 77;

    gsize size = make_frame((WireHeader){300, 7, WIRE_DATA, WIRE_STDERR});
    for (gsize n = 0; n < size; n++) {
        g_assert_cmpint(wire_frame_get(frame, n, &header, &payload, &whole), ==, 0);
        g_assert_cmpuint(whole, ==, 77); /* untouched */
    }
    /* Bytes after the frame do not matter. */
    for (gsize n = size; n < size + 8; n++) {
        g_assert_cmpint(wire_frame_get(frame, n, &header, &payload, &whole), ==, 1);
        g_assert_cmpuint(whole, ==, size);
        g_assert_true(payload == frame + WIRE_HEADER_SIZE);
        g_assert_cmpuint(header.length, ==, 300);
        g_assert_cmpuint(header.stream, ==, 7);
        g_assert_cmpuint(header.type, ==, WIRE_DATA);
        g_assert_cmpuint(header.channel, ==, WIRE_STDERR);
    }
}

/* A frame that is cut off at any byte becomes invalid by the pad that follows it. */
static void
test_pad_condemns(void)
{
    g_autofree guint8 *stream = g_malloc0(64 + WIRE_PREAMBLE_PAD);
    gsize size = make_frame((WireHeader){50, 7, WIRE_DATA, 0});

    for (gsize cut = 0; cut < size; cut++) {
        memset(stream, 0, 64);
        memcpy(stream, frame, cut);
        WireHeader header;
        const guint8 *payload;
        gsize whole;
        g_assert_cmpint(wire_frame_get(stream, cut + WIRE_PREAMBLE_PAD, &header, &payload, &whole),
                        ==, -EPROTO);
    }
}

static void
test_find(void)
{
    guint8 data[100];
    gsize keep = 0;

    for (gsize at = 0; at + WIRE_MAGIC_SIZE <= sizeof data; at++) {
        memset(data, wire_magic[0], sizeof data); /* each byte could begin the pattern */
        memcpy(data + at, wire_magic, WIRE_MAGIC_SIZE);
        g_assert_cmpint(wire_find(data, sizeof data, wire_magic, WIRE_MAGIC_SIZE, &keep), ==, at);
        g_assert_cmpint(
            wire_find(data, at + WIRE_MAGIC_SIZE - 1, wire_magic, WIRE_MAGIC_SIZE, &keep), ==,
            -EAGAIN);
        g_assert_cmpuint(keep, ==, WIRE_MAGIC_SIZE - 1);
    }
    for (gsize n = 0; n < WIRE_MAGIC_SIZE; n++) {
        memset(data, 0, sizeof data);
        memcpy(data + 50 - n, wire_magic, n);
        g_assert_cmpint(wire_find(data, 50, wire_magic, WIRE_MAGIC_SIZE, &keep), ==, -EAGAIN);
        g_assert_cmpuint(keep, ==, n);
    }
    g_assert_cmpint(wire_find(data, 0, wire_magic, WIRE_MAGIC_SIZE, &keep), ==, -EAGAIN);
    g_assert_cmpuint(keep, ==, 0);
}

/* --- fields --- */

static gsize
write_fields(guint8 *buffer, gsize size)
{
    const char *const strv[] = {"one", "", "three", NULL};
    WireWriter w;

    wire_frame_begin(&w, buffer, size);
    wire_put_u32(&w, 0xDEADBEEF);
    wire_put_u64(&w, G_GUINT64_CONSTANT(0x0123456789ABCDEF));
    wire_put_bytes(&w, "\0\1\2", 3);
    wire_put_string(&w, "text");
    wire_put_strv(&w, strv);
    wire_put_strv(&w, NULL);
    ptrdiff_t n = wire_frame_end(&w, 3, WIRE_START, 0);
    return n < 0 ? 0 : (gsize)n;
}

static int
read_fields(const guint8 *payload, gsize size)
{
    WireReader r;
    gsize n = 0;

    wire_reader_init(&r, payload, size);
    guint32 small = wire_get_u32(&r);
    guint64 large = wire_get_u64(&r);
    const guint8 *bytes = wire_get_bytes(&r, &n);
    char *string = wire_get_string(&r, 4);
    char **strv = wire_get_strv(&r, 3, 5);
    char **none = wire_get_strv(&r, 0, 0);
    int result = wire_reader_end(&r);

    if (result == 0) {
        const char *const expected[] = {"one", "", "three", NULL};
        g_assert_cmpuint(small, ==, 0xDEADBEEF);
        g_assert_cmpuint(large, ==, G_GUINT64_CONSTANT(0x0123456789ABCDEF));
        g_assert_cmpmem(bytes, n, "\0\1\2", 3);
        g_assert_cmpstr(string, ==, "text");
        g_assert_cmpstrv(strv, expected);
        g_assert_null(none[0]);
    }
    free(string);
    wire_strv_free(strv);
    wire_strv_free(none);
    return result;
}

static void
test_fields(void)
{
    gsize size = write_fields(frame, sizeof frame);
    WireHeader header;
    const guint8 *payload;
    gsize whole;

    g_assert_cmpint(wire_frame_get(frame, size, &header, &payload, &whole), ==, 1);
    g_assert_cmpuint(whole, ==, size);
    g_assert_cmpuint(header.stream, ==, 3);
    g_assert_cmpuint(header.type, ==, WIRE_START);
    for (gsize n = 0; n < header.length; n++)
        g_assert_cmpint(read_fields(payload, n), ==, -EBADMSG);
    g_assert_cmpint(read_fields(payload, header.length), ==, 0);
    g_assert_cmpint(read_fields(payload, header.length + 1), ==, -EBADMSG);
}

/* The buffer is too small, in the last case by one byte. Nothing is written beyond it. */
static void
test_writer_bounds(void)
{
    gsize size = write_fields(frame, sizeof frame);

    for (gsize n = 0; n < size; n++) {
        g_autofree guint8 *buffer = g_malloc(n + 8);
        memset(buffer, 0x55, n + 8);
        g_assert_cmpuint(write_fields(buffer, n), ==, 0);
        for (gsize i = n; i < n + 8; i++)
            g_assert_cmpuint(buffer[i], ==, 0x55);
    }
    g_autofree guint8 *exact = g_malloc(size);
    g_assert_cmpuint(write_fields(exact, size), ==, size);
}

static void
test_longest_payload(void)
{
    g_autofree guint8 *buffer = g_malloc(2 * WIRE_FRAME_MAX);
    g_autofree guint8 *bytes = g_malloc0(WIRE_PAYLOAD_MAX);
    WireWriter w;

    wire_frame_begin(&w, buffer, 2 * WIRE_FRAME_MAX);
    wire_put_bytes(&w, bytes, WIRE_PAYLOAD_MAX - 4);
    g_assert_cmpint(wire_frame_end(&w, 1, WIRE_START, 0), ==, WIRE_FRAME_MAX);

    wire_frame_begin(&w, buffer, 2 * WIRE_FRAME_MAX);
    wire_put_bytes(&w, bytes, WIRE_PAYLOAD_MAX - 3);
    g_assert_cmpint(wire_frame_end(&w, 1, WIRE_START, 0), ==, -EMSGSIZE);
}

static char *
read_string(const char *payload, gsize size, gsize max, gboolean *ret_failed)
{
    WireReader r;
    wire_reader_init(&r, (const guint8 *)payload, size);
    char *string = wire_get_string(&r, max);
    *ret_failed = r.failed;
    return string;
}

static void
test_strings(void)
{
    gboolean failed;

    g_autofree char *good = read_string("\3\0\0\0abc", 7, 3, &failed);
    g_assert_cmpstr(good, ==, "abc");
    g_assert_false(failed);
    g_assert_null(read_string("\3\0\0\0abc", 7, 2, &failed)); /* too long */
    g_assert_true(failed);
    g_assert_null(read_string("\3\0\0\0a\0c", 7, 3, &failed)); /* NUL */
    g_assert_true(failed);
    g_assert_null(read_string("\4\0\0\0abc", 7, 9, &failed)); /* false length */
    g_assert_true(failed);
    g_assert_null(read_string("\xff\xff\xff\xff", 4, G_MAXSIZE, &failed));
    g_assert_true(failed);
    g_autofree char *empty = read_string("\0\0\0\0", 4, 0, &failed);
    g_assert_cmpstr(empty, ==, "");
}

static char **
read_strv(const char *payload, gsize size, gsize max_count, gsize max)
{
    WireReader r;
    wire_reader_init(&r, (const guint8 *)payload, size);
    char **strv = wire_get_strv(&r, max_count, max);
    g_assert_cmpint(strv == NULL, ==, r.failed);
    return strv;
}

static void
test_vectors(void)
{
    static const char two[] = "\2\0\0\0\1\0\0\0a\2\0\0\0bc";
    const gsize size = sizeof two - 1;

    char **strv = read_strv(two, size, 2, 2);
    g_assert_cmpstr(strv[0], ==, "a");
    g_assert_cmpstr(strv[1], ==, "bc");
    g_assert_null(strv[2]);
    wire_strv_free(strv);
    g_assert_null(read_strv(two, size, 1, 2)); /* too many */
    g_assert_null(read_strv(two, size, 2, 1)); /* too long */
    g_assert_null(read_strv(two, size - 1, 2, 2));
    g_assert_null(read_strv("\xff\xff\xff\xff\0\0\0\0", 8, G_MAXSIZE, 9)); /* false length */
}

/* After the first failure all reads fail, even if bytes are left. */
static void
test_failure_lasts(void)
{
    WireReader r;
    gsize n = 0;

    wire_reader_init(&r, (const guint8 *)"\xff\xff\xff\xff\1\0\0\0\0\0\0\0", 12);
    g_assert_null(wire_get_bytes(&r, &n));
    g_assert_cmpuint(wire_get_u32(&r), ==, 0);
    g_assert_cmpuint(wire_get_u64(&r), ==, 0);
    g_assert_null(wire_get_strv(&r, 9, 9));
    g_assert_cmpint(wire_reader_end(&r), ==, -EBADMSG);
}

/* The frames' numbers and forms are fixed, because running machines may have an older agent. */
static void
test_clock(void)
{
    static const guint8 expected[] = {8, 0, 0, 0, 3, 0, 0, 0, 25, 0,   0,
                                      0, 8, 7, 6, 5, 4, 3, 2, 1,  0xC1};
    WireHeader header;
    const guint8 *payload;
    gsize whole;
    WireWriter w;
    WireReader r;

    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_u64(&w, 0x0102030405060708);
    ptrdiff_t size = wire_frame_end(&w, 3, WIRE_CLOCK, 0);
    g_assert_cmpmem(frame, size, expected, sizeof expected);
    g_assert_cmpint(wire_frame_get(frame, (gsize)size, &header, &payload, &whole), ==, 1);
    g_assert_cmpuint(header.type, ==, WIRE_CLOCK);
    wire_reader_init(&r, payload, header.length);
    g_assert_cmpuint(wire_get_u64(&r), ==, 0x0102030405060708);
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
}

static void
test_freeze(void)
{
    static const guint8 freeze[] = {0, 0, 0, 0, 3, 0, 0, 0, 27, 0, 0, 0, 0xC1};
    static const guint8 thaw[] = {8, 0, 0, 0, 3, 0, 0, 0, 28, 0,   0,
                                  0, 8, 7, 6, 5, 4, 3, 2, 1,  0xC1};
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof frame);
    g_assert_cmpmem(frame, wire_frame_end(&w, 3, WIRE_FREEZE, 0), freeze, sizeof freeze);
    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_u64(&w, 0x0102030405060708);
    g_assert_cmpmem(frame, wire_frame_end(&w, 3, WIRE_THAW, 0), thaw, sizeof thaw);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/header", test_header);
    g_test_add_func("/wire/frame-bounds", test_frame_bounds);
    g_test_add_func("/wire/end-mark", test_end_mark);
    g_test_add_func("/wire/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/wire/pad-condemns", test_pad_condemns);
    g_test_add_func("/wire/find", test_find);
    g_test_add_func("/wire/fields", test_fields);
    g_test_add_func("/wire/writer-bounds", test_writer_bounds);
    g_test_add_func("/wire/longest-payload", test_longest_payload);
    g_test_add_func("/wire/strings", test_strings);
    g_test_add_func("/wire/vectors", test_vectors);
    g_test_add_func("/wire/failure-lasts", test_failure_lasts);
    g_test_add_func("/wire/clock", test_clock);
    g_test_add_func("/wire/freeze", test_freeze);
    return g_test_run();
}
