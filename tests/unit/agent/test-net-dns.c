/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net-dns: what is a query, and what an answer consists of. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "dns-packet.h"
#include "net-dns.h"

#define LABEL_63 "123456789-123456789-123456789-123456789-123456789-123456789-123"
/* 253 characters: 255 bytes in a packet. */
#define NAME_253                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63                                                             \
             ".123456789-123456789-123456789-123456789-123456789-123456789-1"

static DnsQuery query;

/* Returns the status, or -errno. The packet is copied, so that a sanitizer sees each byte that is
 * read beyond its end. */
static int
read_packet(const DnsPacket *packet)
{
    g_autofree guint8 *copy = g_malloc(MAX(packet->size, 1));
    DnsStatus status = DNS_NO_ERROR;

    memcpy(copy, packet->bytes, packet->size);
    int r = dns_read(copy, packet->size, &query, &status);
    return r < 0 ? r : (int)status;
}

static int
read_name(const char *name)
{
    DnsPacket packet;

    dns_packet_query(&packet, 7, name, DNS_TYPE_A);
    return read_packet(&packet);
}

static void
test_query(void)
{
    g_assert_cmpint(read_name("WWW.Example-1.com"), ==, DNS_NO_ERROR);
    g_assert_cmpuint(query.id, ==, 7);
    g_assert_cmpuint(query.type, ==, DNS_TYPE_A);
    g_assert_cmpstr(query.name, ==, "www.example-1.com");
    g_assert_true(query.is_hostname);
    g_assert_false(query.has_edns);
    g_assert_cmpint(read_name(""), ==, DNS_NO_ERROR);
    g_assert_cmpstr(query.name, ==, "");
    g_assert_cmpint(read_name("_tcp.x"), ==, DNS_NO_ERROR);
    g_assert_true(query.is_hostname);
}

static void
test_sizes(void)
{
    g_assert_cmpuint(strlen(NAME_253), ==, NET_NAME_MAX);
    g_assert_cmpint(read_name(NAME_253), ==, DNS_NO_ERROR);
    g_assert_cmpstr(query.name, ==, NAME_253);
    g_assert_cmpuint(query.question_size, ==, DNS_QUESTION_MAX);
    g_assert_cmpint(read_name(NAME_253 "x"), ==, DNS_FORMAT_ERROR);
    g_assert_cmpuint(query.question_size, ==, 0);
    g_assert_cmpint(read_name("x." NAME_253), ==, DNS_FORMAT_ERROR);
    g_assert_cmpint(read_name(LABEL_63 ".x"), ==, DNS_NO_ERROR);
    g_assert_cmpint(read_name(LABEL_63 "4.x"), ==, DNS_FORMAT_ERROR);
}

/* Bytes that no host name has; a dot in a label is not a border of labels. */
static void
test_odd_names(void)
{
    static const char odd[] = {'.', '\0', ' ', '/', ':', '@', '[', '`', '{', '\x7f', '\xff', '*'};
    DnsPacket packet;

    for (gsize i = 0; i < sizeof odd; i++) {
        dns_packet_query(&packet, 7, "axb.example", DNS_TYPE_A);
        packet.bytes[12 + 2] = (guint8)odd[i];
        g_assert_cmpint(read_packet(&packet), ==, DNS_NO_ERROR);
        g_assert_false(query.is_hostname);
    }
}

/* Each packet that ends too early is no query, or is answered with an error. */
static void
test_cut_off(void)
{
    DnsPacket whole;

    dns_packet_query(&whole, 7, "www.example.com", DNS_TYPE_A);
    for (gsize size = 0; size < whole.size; size++) {
        DnsPacket cut = whole;

        cut.size = size;
        g_assert_cmpint(read_packet(&cut), ==, size < 12 ? -EBADMSG : DNS_FORMAT_ERROR);
    }
    g_assert_cmpint(read_packet(&whole), ==, DNS_NO_ERROR);
}

static int
read_with(gsize at, guint8 byte)
{
    DnsPacket packet;

    dns_packet_query(&packet, 7, "www.example.com", DNS_TYPE_A);
    packet.bytes[at] = byte;
    return read_packet(&packet);
}

static void
test_headers(void)
{
    g_assert_cmpint(read_with(2, 0x80), ==, -EBADMSG);            /* an answer */
    g_assert_cmpint(read_with(2, 0x28), ==, DNS_NOT_IMPLEMENTED); /* an update */
    g_assert_cmpint(read_with(5, 0), ==, DNS_FORMAT_ERROR);       /* questions */
    g_assert_cmpint(read_with(5, 2), ==, DNS_FORMAT_ERROR);
    g_assert_cmpint(read_with(4, 1), ==, DNS_FORMAT_ERROR);
    g_assert_cmpint(read_with(7, 1), ==, DNS_FORMAT_ERROR); /* answers */
    g_assert_cmpint(read_with(9, 1), ==, DNS_FORMAT_ERROR); /* authorities */
    g_assert_cmpint(read_with(11, 1), ==, DNS_NO_ERROR);    /* an additional record is missing */
    g_assert_cmpint(read_with(32, 3), ==, DNS_NOT_IMPLEMENTED); /* class CH */
    g_assert_cmpint(read_with(32, 255), ==, DNS_NO_ERROR);
    g_assert_cmpint(read_with(12, 0xc0), ==, DNS_FORMAT_ERROR); /* a pointer */
    g_assert_cmpint(read_with(12, 64), ==, DNS_FORMAT_ERROR);
    g_assert_cmpint(read_with(12, 63), ==, DNS_FORMAT_ERROR); /* beyond the end */
}

static void
answer(DnsPacket *out, DnsStatus status, const void *address, gsize size)
{
    guint8 *exact = g_malloc(DNS_ANSWER_MAX);

    out->size = dns_write(exact, &query, status, address, size);
    memcpy(out->bytes, exact, out->size);
    g_free(exact);
}

static void
test_answers(void)
{
    static const guint8 opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
    DnsPacket packet, out;
    gsize size = 0;

    for (int has_edns = 0; has_edns < 2; has_edns++) {
        dns_packet_query(&packet, 7, NAME_253, DNS_TYPE_AAAA);
        if (has_edns) {
            packet.bytes[11] = 1;
            dns_packet_append(&packet, opt, sizeof opt);
        }
        g_assert_cmpint(read_packet(&packet), ==, DNS_NO_ERROR);
        g_assert_cmpint(query.has_edns, ==, has_edns);

        answer(&out, DNS_NO_ERROR, "0123456789abcdef", 16);
        g_assert_cmpuint(out.size, ==, DNS_ANSWER_MAX - (has_edns ? 0 : sizeof opt));
        g_assert_cmpuint(dns_packet_status(&out), ==, DNS_NO_ERROR);
        const guint8 *data = dns_packet_record(&out, &packet, &size);
        g_assert_cmpmem(data, size, "0123456789abcdef", 16);
        if (has_edns)
            g_assert_cmpmem(out.bytes + out.size - sizeof opt, sizeof opt, opt, sizeof opt);

        answer(&out, DNS_NO_SUCH_NAME, NULL, 0);
        g_assert_cmpuint(dns_packet_status(&out), ==, DNS_NO_SUCH_NAME);
        g_assert_null(dns_packet_record(&out, &packet, &size));
    }
}

/* The answer to a question that was not understood is a header. */
static void
test_error_answer(void)
{
    DnsPacket out;

    g_assert_cmpint(read_with(12, 0xc0), ==, DNS_FORMAT_ERROR);
    answer(&out, DNS_FORMAT_ERROR, NULL, 0);
    g_assert_cmpmem(out.bytes, out.size, "\0\7\x85\x81\0\0\0\0\0\0\0\0", 12);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net-dns/query", test_query);
    g_test_add_func("/net-dns/sizes", test_sizes);
    g_test_add_func("/net-dns/odd-names", test_odd_names);
    g_test_add_func("/net-dns/cut-off", test_cut_off);
    g_test_add_func("/net-dns/headers", test_headers);
    g_test_add_func("/net-dns/answers", test_answers);
    g_test_add_func("/net-dns/error-answer", test_error_answer);
    return g_test_run();
}
