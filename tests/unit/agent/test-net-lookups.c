/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net-lookups: which names and addresses the host is asked for, and what DNS answers. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net-host.h"

#define SERVER_FAILURE 2
#define NO_SUCH_NAME 3
#define TYPE_AAAA 28

/* --- which host is asked for --- */

static void
test_names_and_addresses(NetHost *host, gconstpointer data)
{
    static const char *const addresses[] = {"203.0.113.7", "2001:db8::7", "198.20.0.1",
                                            "198.17.255.255"};
    guint32 stream;
    g_autofree char *first = guest_resolve(host, "www.example.com");
    g_autofree char *second = guest_resolve(host, "example.org");
    g_autofree char *again = guest_resolve(host, "www.example.com");

    g_assert_cmpstr(first, ==, "198.18.0.1");
    g_assert_cmpstr(second, ==, "198.18.0.2");
    g_assert_cmpstr(again, ==, first);
    close(guest_open(host, "example.org", 65535, &stream));
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        close(guest_connect(host, addresses[i], 443));
        net_host_expect_open(host, addresses[i], 443);
        g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    }
}

/* Addresses that could belong to a name, but do not. */
static void
test_addresses_without_name(NetHost *host, gconstpointer data)
{
    g_autofree char *address = guest_resolve(host, "www.example.com");

    g_assert_cmpstr(address, ==, "198.18.0.1");
    guest_expect_reset(guest_connect(host, "198.18.0.0", 80));
    guest_expect_reset(guest_connect(host, "198.18.0.2", 80));
    guest_expect_reset(guest_connect(host, "198.19.255.255", 80));
    net_host_expect_nothing(host);
}

static void
expect_found(NetHost *host, guint32 found, guint status)
{
    DnsPacket query, answer;
    gsize size;

    dns_packet_query(&query, 4, "Some.Name", 1);
    int fd = guest_ask(host, "192.0.2.1", &query);
    net_host_send_number(host, net_host_expect_lookup(host, "some.name"), NET_FOUND, found);
    guest_receive(fd, &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, status);
    g_assert_null(dns_packet_record(&answer, &query, &size));
}

static void
test_refused_lookups(NetHost *host, gconstpointer data)
{
    expect_found(host, EACCES, NO_SUCH_NAME);
    expect_found(host, ENOENT, NO_SUCH_NAME);
    expect_found(host, EAGAIN, SERVER_FAILURE);
    expect_found(host, EIO, SERVER_FAILURE);
}

/* Only names leave the guest: other types of records are not looked up. */
static void
test_other_types(NetHost *host, gconstpointer data)
{
    static const guint16 types[] = {2, 5, 6, 10, 12, 15, 16, 28, 33, 64, 65, 255};
    DnsPacket query, answer;
    gsize size;

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        dns_packet_query(&query, 5, "data.of.the.guest.example", types[i]);
        guest_receive(guest_ask(host, "192.0.2.1", &query), &answer);
        g_assert_cmpuint(dns_packet_status(&answer), ==, 0);
        g_assert_null(dns_packet_record(&answer, &query, &size));
    }
    guest_expect_status(host, "not a name", NO_SUCH_NAME);
    net_host_expect_nothing(host);
}

static void
test_local_names(NetHost *host, gconstpointer data)
{
    guest_expect_address(host, "192.0.2.1", "localhost", 1, "127.0.0.1");
    guest_expect_address(host, "192.0.2.1", "LocalHost", TYPE_AAAA, "::1");
    guest_expect_address(host, "192.0.2.1", "a.b.localhost", 1, "127.0.0.1");
    net_host_expect_nothing(host);
    expect_found(host, ENOENT, NO_SUCH_NAME);
}

/* Whatever name server a program uses, it gets its answer from there. */
static void
test_any_server(NetHost *host, gconstpointer data)
{
    guest_expect_address(host, "8.8.8.8", "localhost", 1, "127.0.0.1");
    guest_expect_address(host, "2001:db8::53", "localhost", 1, "127.0.0.1");
    guest_expect_address(host, "fd00:c10c::1", "localhost", 1, "127.0.0.1");
}

/* Malformed queries: no answer, or an error. */
static void
test_malformed_queries(NetHost *host, gconstpointer data)
{
    DnsPacket query, answer;

    dns_packet_query(&query, 6, "localhost", 1);
    query.bytes[2] |= 0x80;
    int silent = guest_ask(host, "192.0.2.1", &query);
    dns_packet_query(&query, 6, "localhost", 1);
    query.bytes[12] = 0xc0;
    guest_receive(guest_ask(host, "192.0.2.1", &query), &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, 1);
    g_assert_cmpint(recv(silent, answer.bytes, 1, MSG_DONTWAIT), ==, -1);
    close(silent);
}

/* --- DNS over TCP --- */

static void
send_framed(int fd, const DnsPacket *query)
{
    guint8 size[] = {(guint8)(query->size >> 8), (guint8)query->size};

    guest_write(fd, size, sizeof size);
    guest_write(fd, query->bytes, query->size);
}

static void
read_framed(int fd, DnsPacket *answer)
{
    guint8 size[2];

    guest_read(fd, size, sizeof size);
    answer->size = (gsize)size[0] << 8 | size[1];
    guest_read(fd, answer->bytes, answer->size);
}

/* Two queries at once are answered in their order. */
static void
test_dns_over_tcp(NetHost *host, gconstpointer data)
{
    DnsPacket lookup, local, answer;
    gsize size = 0;
    int fd = guest_connect(host, "9.9.9.9", 53);

    dns_packet_query(&lookup, 7, "www.example.com", 1);
    dns_packet_query(&local, 8, "localhost", 1);
    send_framed(fd, &lookup);
    send_framed(fd, &local);
    net_host_send_number(host, net_host_expect_lookup(host, "www.example.com"), NET_FOUND, 0);
    read_framed(fd, &answer);
    g_assert_cmpmem(dns_packet_record(&answer, &lookup, &size), size, "\306\022\0\1", 4);
    read_framed(fd, &answer);
    g_assert_cmpmem(dns_packet_record(&answer, &local, &size), size, "\177\0\0\1", 4);
    close(fd);
}

/* Lookups by TCP are answered while no host is there, on old connections and on new ones. */
static void
test_dns_over_tcp_without_host(NetHost *host, gconstpointer data)
{
    static const char *const names[] = {"www.example.com", "localhost"};
    static const guint statuses[] = {NO_SUCH_NAME, 0};
    int fds[] = {guest_connect(host, "9.9.9.9", 53), -1};
    DnsPacket query, answer;

    dns_packet_query(&query, 7, "localhost", 1);
    send_framed(fds[0], &query);
    read_framed(fds[0], &answer);
    net_host_hang_up(host);
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    fds[1] = guest_connect(host, "9.9.9.9", 53);
    for (guint i = 0; i < 4; i++) {
        dns_packet_query(&query, 8, names[i % 2], 1);
        send_framed(fds[i / 2], &query);
        read_framed(fds[i / 2], &answer);
        g_assert_cmpuint(dns_packet_status(&answer), ==, statuses[i % 2]);
    }
    close(fds[0]);
    close(fds[1]);
}

/* A seventeenth connection replaces the one that was silent for the longest time. A query that is
 * too long or none ends its connection. */
static void
test_bounds_of_dns_over_tcp(NetHost *host, gconstpointer data)
{
    DnsPacket query, answer;
    int fds[17];

    dns_packet_query(&query, 8, "localhost", 1);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = guest_connect(host, "9.9.9.9", 53);
        send_framed(fds[i], &query);
        read_framed(fds[i], &answer);
    }
    guest_expect_eof(fds[0]);
    send_framed(fds[1], &query);
    read_framed(fds[1], &answer);
    guest_write(fds[1], "\4\321", 2); /* 1233 bytes follow */
    guest_expect_eof(fds[1]);
    query.bytes[2] |= 0x80;
    send_framed(fds[2], &query);
    guest_expect_eof(fds[2]);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}

/* The host counts a lookup until it has answered it, although nobody waits for the answer. Only the
 * last connection stays open: its answer shows that the agent has read all frames. */
static void
test_lost_askers(NetHost *host, gconstpointer data)
{
    guint32 streams[64];
    DnsPacket query, answer;
    int fd = -1;

    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
        g_autofree char *name = g_strdup_printf("n%" G_GSIZE_FORMAT ".example", i);

        if (fd >= 0)
            close(fd);
        fd = guest_connect(host, "9.9.9.9", 53);
        dns_packet_query(&query, 9, name, 1);
        send_framed(fd, &query);
        streams[i] = net_host_expect_lookup(host, name);
    }
    guest_expect_status(host, "one.more.example", SERVER_FAILURE);
    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++)
        net_host_send_number(host, streams[i], NET_FOUND, 0);
    read_framed(fd, &answer);
    close(fd);
    /* Names of the 48 connections that were replaced have no address. */
    g_autofree char *address = guest_resolve(host, "last.example");
    g_assert_cmpstr(address, ==, "198.18.0.17");
}

/* 64 lookups wait for the host; the 65th fails. */
static void
test_many_lookups(NetHost *host, gconstpointer data)
{
    DnsPacket query, answer;
    guint32 streams[64];
    int fds[64];

    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        dns_packet_query(&query, (guint16)i, "slow.example", 1);
        fds[i] = guest_ask(host, "192.0.2.1", &query);
        streams[i] = net_host_expect_lookup(host, "slow.example");
    }
    guest_expect_status(host, "one.more.example", SERVER_FAILURE);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        net_host_send_number(host, streams[i], NET_FOUND, ENOENT);
        guest_receive(fds[i], &answer);
        g_assert_cmpuint(answer.bytes[1], ==, i);
    }
    expect_found(host, ENOENT, NO_SUCH_NAME);
}

static const NetTest tests[] = {
    {"names-and-addresses", test_names_and_addresses, NULL},
    {"addresses-without-name", test_addresses_without_name, NULL},
    {"refused-lookups", test_refused_lookups, NULL},
    {"other-types", test_other_types, NULL},
    {"local-names", test_local_names, NULL},
    {"any-server", test_any_server, NULL},
    {"malformed-queries", test_malformed_queries, NULL},
    {"dns-over-tcp", test_dns_over_tcp, NULL},
    {"dns-over-tcp-without-host", test_dns_over_tcp_without_host, NULL},
    {"bounds-of-dns-over-tcp", test_bounds_of_dns_over_tcp, NULL},
    {"lost-askers", test_lost_askers, NULL},
    {"many-lookups", test_many_lookups, NULL},
};

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    net_host_add_tests("lookups", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
