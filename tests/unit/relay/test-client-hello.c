/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-client-hello: the name of a ClientHello, and what is refused. */
#include "client-hello.h"

#include <string.h>

#include "hello-builder.h"

/* Reads all bytes at once, and checks that no shorter piece gives another result than MORE, or the
 * same. */
static ClientHello
read_bytes(const GByteArray *bytes, char *ret_name)
{
    char name[CLIENT_HELLO_NAME_MAX + 1];
    ClientHello whole = client_hello_read(bytes->data, bytes->len, ret_name);

    for (gsize size = 0; size < bytes->len; size++) {
        g_autofree guint8 *copy = g_memdup2(bytes->data, size);
        ClientHello found = client_hello_read(copy, size, name);
        g_assert_true(found == CLIENT_HELLO_MORE || found == whole);
    }
    return whole;
}

static ClientHello
read_message(GByteArray *message, gsize record_size, char *ret_name)
{
    g_autoptr(GByteArray) owned = message;
    g_autoptr(GByteArray) records = hello_records(owned, record_size);
    return read_bytes(records, ret_name);
}

static void
assert_name(const char *name, ClientHello expected, const char *canonical)
{
    char found[CLIENT_HELLO_NAME_MAX + 1] = "";
    g_autoptr(GByteArray) bytes = hello_for(name);

    g_assert_cmpint(read_bytes(bytes, found), ==, expected);
    g_assert_cmpstr(found, ==, canonical);
}

static char *
long_name(gsize size)
{
    GString *name = g_string_new(NULL);

    while (name->len < size)
        g_string_append_c(name, name->len % 64 == 63 ? '.' : 'a');
    return g_string_free(name, FALSE);
}

static void
test_names(void)
{
    g_autofree char *longest = long_name(253), *too_long = long_name(254);
    g_autofree char *label = g_strnfill(63, 'b'), *long_label = g_strnfill(64, 'b');

    assert_name("api.example.com", CLIENT_HELLO_NAME, "api.example.com");
    assert_name("API.Example.COM", CLIENT_HELLO_NAME, "api.example.com");
    assert_name("xn--bcher-kva.example", CLIENT_HELLO_NAME, "xn--bcher-kva.example");
    assert_name("_a.b-c", CLIENT_HELLO_NAME, "_a.b-c");
    assert_name("localhost", CLIENT_HELLO_NAME, "localhost");
    assert_name(longest, CLIENT_HELLO_NAME, longest);
    assert_name(label, CLIENT_HELLO_NAME, label);

    static const char *const wrong[] = {
        "",           ".",     "a..b",      ".a",          "a.",    "a b", "a/b", "10.9.9.9",
        "0x0a090909", "a.0x1", "168364297", "b\xc3\xbc.c", "a:443", "*.a", "a%00"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        assert_name(wrong[i], CLIENT_HELLO_MALFORMED, "");
    assert_name(too_long, CLIENT_HELLO_MALFORMED, "");
    assert_name(long_label, CLIENT_HELLO_MALFORMED, "");
}

static void
test_nul_in_name(void)
{
    g_autoptr(GByteArray) extensions = g_byte_array_new();
    static const guint8 data[] = {0, 6, 0, 0, 3, 'a', 0, 'b'};
    char name[CLIENT_HELLO_NAME_MAX + 1];

    hello_add_extension(extensions, 0, data, sizeof data);
    g_assert_cmpint(read_message(hello_message(extensions), 16384, name), ==,
                    CLIENT_HELLO_MALFORMED);
}

static void
test_no_name(void)
{
    g_autoptr(GByteArray) extensions = g_byte_array_new();
    char name[CLIENT_HELLO_NAME_MAX + 1];

    g_assert_cmpint(read_message(hello_message(NULL), 16384, name), ==, CLIENT_HELLO_NO_NAME);
    g_assert_cmpint(read_message(hello_message(extensions), 16384, name), ==, CLIENT_HELLO_NO_NAME);
    hello_add_extension(extensions, 0xfe0d, "x", 1);
    g_assert_cmpint(read_message(hello_message(extensions), 16384, name), ==, CLIENT_HELLO_NO_NAME);
}

/* The outer name of an encrypted ClientHello counts. */
static void
test_ech(void)
{
    g_autoptr(GByteArray) extensions = g_byte_array_new();
    char name[CLIENT_HELLO_NAME_MAX + 1];

    hello_add_extension(extensions, 0xfe0d, "encrypted", 9);
    hello_add_name(extensions, "outer.example");
    g_assert_cmpint(read_message(hello_message(extensions), 16384, name), ==, CLIENT_HELLO_NAME);
    g_assert_cmpstr(name, ==, "outer.example");
}

static void
test_two_names(void)
{
    static const guint8 list[] = {0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b'};
    static const guint8 other_type[] = {0, 4, 1, 0, 1, 'a'};
    static const guint8 empty[] = {0, 0}, longer[] = {0, 4, 0, 0, 1, 'a', 0};
    static const struct {
        const guint8 *data;
        gsize size;
    } wrong[] = {{list, sizeof list},
                 {other_type, sizeof other_type},
                 {empty, sizeof empty},
                 {longer, sizeof longer},
                 {empty, 0},
                 {list, 7}};
    char name[CLIENT_HELLO_NAME_MAX + 1];

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GByteArray) extensions = g_byte_array_new();
        hello_add_extension(extensions, 0, wrong[i].data, wrong[i].size);
        g_assert_cmpint(read_message(hello_message(extensions), 16384, name), ==,
                        CLIENT_HELLO_MALFORMED);
    }
    g_autoptr(GByteArray) twice = g_byte_array_new();
    hello_add_name(twice, "a.example");
    hello_add_name(twice, "a.example");
    g_assert_cmpint(read_message(hello_message(twice), 16384, name), ==, CLIENT_HELLO_MALFORMED);
}

static GByteArray *
message_of_size(gsize size)
{
    g_autoptr(GByteArray) extensions = g_byte_array_new();
    static guint8 zeros[CLIENT_HELLO_MAX];

    hello_add_name(extensions, "a.example");
    g_autoptr(GByteArray) small = hello_message(extensions);
    hello_add_extension(extensions, 21, zeros, size - small->len - 4);
    GByteArray *message = hello_message(extensions);
    g_assert_cmpuint(message->len, ==, size);
    return message;
}

static void
test_bounds(void)
{
    char name[CLIENT_HELLO_NAME_MAX + 1];

    g_assert_cmpint(read_message(message_of_size(CLIENT_HELLO_MAX), 16384, name), ==,
                    CLIENT_HELLO_NAME);
    g_assert_cmpint(read_message(message_of_size(CLIENT_HELLO_MAX + 1), 16384, name), ==,
                    CLIENT_HELLO_MALFORMED);
    g_assert_cmpint(read_message(message_of_size(160), 10, name), ==, CLIENT_HELLO_NAME);
    g_assert_cmpint(read_message(message_of_size(161), 10, name), ==, CLIENT_HELLO_MALFORMED);
    g_assert_cmpint(read_message(message_of_size(CLIENT_HELLO_MAX), 1024, name), ==,
                    CLIENT_HELLO_NAME);
}

static void
assert_first_bytes(const char *bytes, gsize size, ClientHello expected)
{
    char name[CLIENT_HELLO_NAME_MAX + 1];
    g_assert_cmpint(client_hello_read((const guint8 *)bytes, size, name), ==, expected);
}

static void
test_not_tls(void)
{
    assert_first_bytes("", 0, CLIENT_HELLO_MORE);
    assert_first_bytes("GET / HTTP/1.1\r\n", 16, CLIENT_HELLO_NOT_TLS);
    assert_first_bytes("\x16", 1, CLIENT_HELLO_MORE);
    assert_first_bytes("\x16\x02", 2, CLIENT_HELLO_NOT_TLS);
    assert_first_bytes("\x80\x2e\x01", 3, CLIENT_HELLO_NOT_TLS);
    assert_first_bytes("\x16\x03\x01\x00\x00", 5, CLIENT_HELLO_MALFORMED);
    assert_first_bytes("\x16\x03\x01\x40\x01", 5, CLIENT_HELLO_MALFORMED);
    assert_first_bytes("\x16\x03\x01\x40\x00", 5, CLIENT_HELLO_MORE);
    assert_first_bytes("\x16\x03\x01\x00\x01\x02", 6, CLIENT_HELLO_MALFORMED);
}

/* Any byte of the lengths changed by one: never a name from a message that does not fit. */
static void
test_lengths(void)
{
    g_autoptr(GByteArray) bytes = hello_for("api.example.com");
    static const guint lengths[] = {4, 8, 43, 45, 48, 51, 55, 57, 60};
    char name[CLIENT_HELLO_NAME_MAX + 1];

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (int change = -1; change <= 1; change += 2) {
            g_autofree guint8 *copy = g_memdup2(bytes->data, bytes->len);
            copy[lengths[i]] = (guint8)(copy[lengths[i]] + change);
            ClientHello found = client_hello_read(copy, bytes->len, name);
            g_assert_true(found == CLIENT_HELLO_MALFORMED || found == CLIENT_HELLO_MORE);
        }
    }
}

/* Another message in the record of the ClientHello; bytes in a record after it are not read. */
static void
test_what_follows(void)
{
    g_autoptr(GByteArray) bytes = hello_for("api.example.com");
    char name[CLIENT_HELLO_NAME_MAX + 1];

    g_byte_array_append(bytes, (const guint8 *)"\x14\x03\x03", 3);
    g_assert_cmpint(client_hello_read(bytes->data, bytes->len, name), ==, CLIENT_HELLO_NAME);
    bytes->data[4] = (guint8)(bytes->data[4] + 3);
    g_assert_cmpint(client_hello_read(bytes->data, bytes->len, name), ==, CLIENT_HELLO_MALFORMED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client-hello/names", test_names);
    g_test_add_func("/client-hello/nul-in-name", test_nul_in_name);
    g_test_add_func("/client-hello/no-name", test_no_name);
    g_test_add_func("/client-hello/ech", test_ech);
    g_test_add_func("/client-hello/two-names", test_two_names);
    g_test_add_func("/client-hello/bounds", test_bounds);
    g_test_add_func("/client-hello/not-tls", test_not_tls);
    g_test_add_func("/client-hello/lengths", test_lengths);
    g_test_add_func("/client-hello/what-follows", test_what_follows);
    return g_test_run();
}
