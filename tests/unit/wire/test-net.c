/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net: frames of connections, each field just inside and just outside of its bounds. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "net.h"

static guint8 frame[NET_FRAME_MAX + 16];

/* A frame with a payload of `length` bytes, as far as there is room; returns its size. */
static gsize
make_frame(WireHeader header)
{
    memset(frame, 0xAA, sizeof frame);
    wire_header_put(frame, &header);
    gsize size = WIRE_HEADER_SIZE + (gsize)header.length + 1;
    if (size <= sizeof frame)
        frame[size - 1] = WIRE_END;
    return MIN(size, sizeof frame);
}

static int
get(gsize size)
{
    g_autofree guint8 *exact = g_memdup2(frame, size);
    WireHeader header;
    const guint8 *payload;
    gsize found;

    return net_frame_get(exact, size, &header, &payload, &found);
}

static int
get_made(WireHeader header)
{
    return get(make_frame(header));
}

static void
test_frame_bounds(void)
{
    g_assert_cmpint(get_made((WireHeader){NET_PAYLOAD_MAX, 1, NET_DATA, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){NET_PAYLOAD_MAX + 1, 1, NET_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){WIRE_PAYLOAD_MAX, 1, NET_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0x80000000, 1, NET_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){G_MAXUINT32, 1, NET_DATA, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 1, NET_EOF, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, G_MAXUINT32, NET_EOF, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){0, 0, NET_OPEN, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){4, 0, NET_HELLO, 0}), ==, 1);
    g_assert_cmpint(get_made((WireHeader){4, 1, NET_HELLO, 0}), ==, -EPROTO);
    g_assert_cmpint(get_made((WireHeader){0, 0, 0, 0}), ==, -EPROTO);
    for (guint channel = 1; channel < 256; channel++)
        g_assert_cmpint(get_made((WireHeader){0, 1, NET_DATA, (guint8)channel}), ==, -EPROTO);
}

/* What is wrong with a header is found as soon as it can be, without the payload. */
static void
test_early_errors(void)
{
    make_frame((WireHeader){NET_PAYLOAD_MAX + 1, 1, NET_DATA, 0});
    for (gsize size = 0; size < 4; size++)
        g_assert_cmpint(get(size), ==, 0);
    for (gsize size = 4; size <= WIRE_HEADER_SIZE; size++)
        g_assert_cmpint(get(size), ==, -EPROTO);
    make_frame((WireHeader){8, 1, NET_DATA, 1});
    g_assert_cmpint(get(WIRE_HEADER_SIZE - 1), ==, 0);
    g_assert_cmpint(get(WIRE_HEADER_SIZE), ==, -EPROTO);
}

static void
test_end_mark(void)
{
    gsize size = make_frame((WireHeader){5, 1, NET_DATA, 0});

    g_assert_cmpint(get(size - 1), ==, 0);
    g_assert_cmpint(get(size), ==, 1);
    frame[size - 1] = 0;
    g_assert_cmpint(get(size), ==, -EPROTO);
}

/* A frame that is cut off at any byte becomes invalid by the pad that follows it. */
static void
test_pad_condemns(void)
{
    static const guint32 lengths[] = {0, 50, NET_PAYLOAD_MAX};
    g_autofree guint8 *stream = g_malloc(NET_FRAME_MAX + NET_PREAMBLE_PAD);
    WireHeader header;
    const guint8 *payload;
    gsize found;

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        gsize size = make_frame((WireHeader){lengths[i], 7, NET_DATA, 0});

        for (gsize cut = 0; cut < size; cut += cut < 100 || cut > size - 20 ? 1 : 997) {
            memset(stream, 0, NET_FRAME_MAX + NET_PREAMBLE_PAD);
            memcpy(stream, frame, cut);
            g_assert_cmpint(
                net_frame_get(stream, cut + NET_PREAMBLE_PAD, &header, &payload, &found), ==,
                -EPROTO);
        }
    }
}

static void
test_magic(void)
{
    g_assert_cmpint(memcmp(net_magic, wire_magic, WIRE_MAGIC_SIZE), !=, 0);
    g_assert_cmpuint(net_magic[0], !=, 0);
}

/* --- fields --- */

/* Reads the payload of a frame that one of the put functions has written. */
static const guint8 *
take(gsize size, WireHeader *header)
{
    const guint8 *payload;
    gsize found;

    g_assert_cmpint(net_frame_get(frame, size, header, &payload, &found), ==, 1);
    g_assert_cmpuint(found, ==, size);
    g_assert_cmpuint(header->channel, ==, 0);
    return payload;
}

static void
test_data(void)
{
    static const gsize sizes[] = {1, NET_PAYLOAD_MAX};
    g_autofree guint8 *data = g_malloc(NET_PAYLOAD_MAX);
    WireHeader header;

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        memset(data, 'd', sizes[i]);
        gsize size = net_data_put(frame, 9, data, sizes[i]);
        const guint8 *payload = take(size, &header);
        g_assert_cmpmem(payload, header.length, data, sizes[i]);
        g_assert_cmpuint(header.stream, ==, 9);
        g_assert_cmpuint(header.type, ==, NET_DATA);
    }
    /* The bytes may be where they belong already. */
    memcpy(frame + WIRE_HEADER_SIZE, "in place", 8);
    gsize size = net_data_put(frame, 9, frame + WIRE_HEADER_SIZE, 8);
    g_assert_cmpmem(take(size, &header), header.length, "in place", 8);
}

static void
test_numbers(void)
{
    static const NetType types[] = {NET_CREDIT, NET_RESET, NET_FOUND, NET_HELLO};
    static const guint32 numbers[] = {0, 1, G_MAXUINT32};
    WireHeader header;

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(numbers); j++) {
            guint32 stream = types[i] == NET_HELLO ? 0 : 3, number = 77;
            const guint8 *payload =
                take(net_number_put(frame, stream, types[i], numbers[j]), &header);
            g_assert_cmpuint(header.type, ==, types[i]);
            g_assert_cmpuint(header.stream, ==, stream);
            for (gsize length = 0; length < 6; length++)
                if (length != 4)
                    g_assert_cmpint(net_number_get(payload, length, &number), ==, -EBADMSG);
            g_assert_cmpuint(number, ==, 77);
            g_assert_cmpint(net_number_get(payload, header.length, &number), ==, 0);
            g_assert_cmpuint(number, ==, numbers[j]);
        }
    take(net_empty_put(frame, 5, NET_EOF), &header);
    g_assert_cmpuint(header.type, ==, NET_EOF);
    g_assert_cmpuint(header.length, ==, 0);
}

static void
test_requests(void)
{
    g_autofree char *longest = g_strnfill(NET_NAME_MAX, 'n');
    g_autofree char *longer = g_strnfill(NET_NAME_MAX + 1, 'n');
    const char *const hosts[] = {"a", "example.com", "::1", "\377 %\n", longest};
    static const guint16 ports[] = {0, 1, 443, 65535};
    WireHeader header;
    NetRequest request;

    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(ports); j++) {
            ptrdiff_t size = net_request_put(frame, 3, hosts[i], ports[j]);
            const guint8 *payload = take((gsize)size, &header);
            gboolean is_open = ports[j] != 0;
            g_assert_cmpuint(header.type, ==, is_open ? NET_OPEN : NET_LOOKUP);
            g_assert_cmpint(net_open_get(payload, header.length, &request), ==,
                            is_open ? 0 : -EBADMSG);
            g_assert_cmpint(net_lookup_get(payload, header.length, &request), ==,
                            is_open ? -EBADMSG : 0);
            g_assert_cmpstr(request.host, ==, hosts[i]);
            g_assert_cmpuint(request.port, ==, ports[j]);
        }
    g_assert_cmpint(net_request_put(frame, 3, longer, 1), ==, -EMSGSIZE);
}

/* Reads a request of these bytes; a failure must not touch the result. */
static void
check_request(const char *host, gsize size, guint32 port, gsize cut, int lookup, int open)
{
    guint8 payload[512];
    WireWriter w = {.data = payload, .size = sizeof payload};
    NetRequest request;

    wire_put_bytes(&w, host, size);
    if (port != G_MAXUINT32)
        wire_put_u32(&w, port);
    g_autofree guint8 *exact = g_memdup2(payload, w.used - cut);

    memset(&request, 0x5a, sizeof request);
    g_assert_cmpint(net_lookup_get(exact, w.used - cut, &request), ==, lookup);
    g_assert_true(lookup == 0 || request.host[0] == 0x5a);
    memset(&request, 0x5a, sizeof request);
    g_assert_cmpint(net_open_get(exact, w.used - cut, &request), ==, open);
    g_assert_true(open == 0 || request.host[0] == 0x5a);
}

static void
test_malformed_requests(void)
{
    static const guint32 none = G_MAXUINT32;
    g_autofree char *name = g_strnfill(NET_NAME_MAX + 1, 'n');

    check_request(name, NET_NAME_MAX, none, 0, 0, -EBADMSG);
    check_request(name, NET_NAME_MAX + 1, none, 0, -EBADMSG, -EBADMSG);
    check_request(name, NET_NAME_MAX, 443, 0, -EBADMSG, 0);
    check_request(name, NET_NAME_MAX + 1, 443, 0, -EBADMSG, -EBADMSG);
    check_request("", 0, none, 0, -EBADMSG, -EBADMSG);
    check_request("", 0, 443, 0, -EBADMSG, -EBADMSG);
    check_request("a\0b", 3, none, 0, -EBADMSG, -EBADMSG);
    check_request("a\0b", 3, 443, 0, -EBADMSG, -EBADMSG);
    check_request("a\0", 2, 443, 0, -EBADMSG, -EBADMSG);
    check_request("abc", 3, 0, 0, -EBADMSG, -EBADMSG);
    check_request("abc", 3, 1, 0, -EBADMSG, 0);
    check_request("abc", 3, 65535, 0, -EBADMSG, 0);
    check_request("abc", 3, 65536, 0, -EBADMSG, -EBADMSG);
    check_request("abc", 3, 65536 + 443, 0, -EBADMSG, -EBADMSG);
    for (gsize cut = 1; cut < 11; cut++)
        check_request("abc", 3, 443, cut, cut == 4 ? 0 : -EBADMSG, -EBADMSG);
}

/* A byte that follows the fields. */
static void
test_trailing_byte(void)
{
    static const guint8 payload[] = {1, 0, 0, 0, 'a', 0xbb, 1, 0, 0, 0};
    NetRequest request;

    g_assert_cmpint(net_lookup_get(payload, 5, &request), ==, 0);
    g_assert_cmpint(net_lookup_get(payload, 6, &request), ==, -EBADMSG);
    g_assert_cmpint(net_open_get(payload, 9, &request), ==, 0);
    g_assert_cmpuint(request.port, ==, 443);
    g_assert_cmpint(net_open_get(payload, 10, &request), ==, -EBADMSG);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/net/frame-bounds", test_frame_bounds);
    g_test_add_func("/wire/net/early-errors", test_early_errors);
    g_test_add_func("/wire/net/end-mark", test_end_mark);
    g_test_add_func("/wire/net/pad-condemns", test_pad_condemns);
    g_test_add_func("/wire/net/magic", test_magic);
    g_test_add_func("/wire/net/data", test_data);
    g_test_add_func("/wire/net/numbers", test_numbers);
    g_test_add_func("/wire/net/requests", test_requests);
    g_test_add_func("/wire/net/malformed-requests", test_malformed_requests);
    g_test_add_func("/wire/net/trailing-byte", test_trailing_byte);
    return g_test_run();
}
