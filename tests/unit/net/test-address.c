/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-address: parsing, networks, and the reach of each kind of address, at both ends of it. */
#include <arpa/inet.h>
#include <string.h>

#include "address.h"

static NetAddress
parse(const char *text)
{
    NetAddress address;

    g_test_message("%s", text);
    g_assert_true(net_address_parse(text, &address));
    return address;
}

static void
test_text(void)
{
    static const struct {
        const char *given, *written;
    } rows[] = {
        {"8.8.8.8", "8.8.8.8"},
        {"::ffff:8.8.8.8", "8.8.8.8"},
        {"::FFFF:0808:0808", "8.8.8.8"},
        {"0:0:0:0:0:ffff:10.9.9.9", "10.9.9.9"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::", "::"},
        {"64:ff9b::10.9.9.9", "64:ff9b::a09:909"},
        {"255.255.255.255", "255.255.255.255"},
    };
    char text[NET_ADDRESS_TEXT_MAX];

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const NetAddress address = parse(rows[i].given);

        net_address_write(&address, text);
        g_assert_cmpstr(text, ==, rows[i].written);
    }
}

/* What inet_aton() and programs of a guest may take for an address is none here. */
static void
test_no_address(void)
{
    static const char *const rows[] = {
        "",         "8.8.8",      "8.8.8.8.",     "8.8.8.8.8", "08.8.8.8",  "0x8.8.8.8",
        "10.9.9",   "168364297",  "0x0a090909",   "012.9.9.9", "256.1.1.1", "8.8.8.8 ",
        " 8.8.8.8", "8.8.8.8/32", "fe80::1%lo",   "fe80::1%1", "::1%eth0",  "[::1]",
        ":::",      "1::2::3",    "::ffff:8.8.8", "12345::",   "::1/128",   "example.com",
    };
    NetAddress address;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i]);
        g_assert_false(net_address_parse(rows[i], &address));
    }
}

static void
test_from(void)
{
    struct in_addr in;
    struct in6_addr in6;
    NetAddress address;
    char text[NET_ADDRESS_TEXT_MAX];

    inet_pton(AF_INET, "10.1.2.3", &in);
    net_address_from(AF_INET, &in, &address);
    g_assert_true(net_address_is_v4(&address));
    net_address_write(&address, text);
    g_assert_cmpstr(text, ==, "10.1.2.3");

    inet_pton(AF_INET6, "2001:db8::7", &in6);
    net_address_from(AF_INET6, &in6, &address);
    g_assert_false(net_address_is_v4(&address));
    net_address_write(&address, text);
    g_assert_cmpstr(text, ==, "2001:db8::7");

    /* An AAAA record may contain IPv4. */
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6);
    net_address_from(AF_INET6, &in6, &address);
    g_assert_true(net_address_is_v4(&address));
}

static void
test_matches(void)
{
    static const struct {
        const char *address, *network;
        guint prefix;
        gboolean matches;
    } rows[] = {
        {"10.255.255.255", "10.0.0.0", 96 + 8, TRUE},
        {"11.0.0.0", "10.0.0.0", 96 + 8, FALSE},
        {"9.255.255.255", "10.0.0.0", 96 + 8, FALSE},
        {"172.31.255.255", "172.16.0.0", 96 + 12, TRUE},
        {"172.32.0.0", "172.16.0.0", 96 + 12, FALSE},
        {"1.2.3.4", "1.2.3.4", 128, TRUE},
        {"1.2.3.5", "1.2.3.4", 128, FALSE},
        {"1.2.3.5", "1.2.3.4", 127, TRUE},
        {"255.0.0.1", "0.0.0.0", 96, TRUE},
        {"fdff:ffff::1", "fc00::", 7, TRUE},
        {"fe00::1", "fc00::", 7, FALSE},
        {"2001:db8::1", "::", 0, TRUE},
        /* The families are apart, although IPv4 has a place in IPv6. */
        {"8.8.8.8", "::", 0, FALSE},
        {"8.8.8.8", "::", 80, FALSE},
        {"::1", "0.0.0.0", 96, FALSE},
        {"2001:db8::1", "0.0.0.0", 96, FALSE},
        {"::8.8.8.8", "8.8.8.8", 128, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const NetAddress address = parse(rows[i].address), network = parse(rows[i].network);

        g_assert_cmpint(net_address_matches(&address, &network, rows[i].prefix), ==,
                        rows[i].matches);
    }
}

static void
test_mask(void)
{
    static const struct {
        guint prefix;
        const char *masked;
    } rows[] = {
        {0, "::"},
        {1, "8000::"},
        {7, "fe00::"},
        {8, "ff00::"},
        {9, "ff80::"},
        {127, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
        {128, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[NET_ADDRESS_TEXT_MAX];

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        NetAddress address = parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

        net_address_mask(&address, rows[i].prefix);
        net_address_write(&address, text);
        g_assert_cmpstr(text, ==, rows[i].masked);
    }
}

typedef struct {
    const char *address;
    NetReach reach;
} Reach;

static void
check_reach(const Reach *rows, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        const NetAddress address = parse(rows[i].address);

        g_assert_cmpint(net_address_reach(&address), ==, rows[i].reach);
    }
}

/* The first and last address of each network, and their neighbours. */
static void
test_reach_v4(void)
{
    static const Reach rows[] = {
        {"0.0.0.0", NET_NEVER},           {"0.255.255.255", NET_NEVER},
        {"1.0.0.0", NET_PUBLIC},          {"9.255.255.255", NET_PUBLIC},
        {"10.0.0.0", NET_PRIVATE},        {"10.255.255.255", NET_PRIVATE},
        {"11.0.0.0", NET_PUBLIC},         {"100.63.255.255", NET_PUBLIC},
        {"100.64.0.0", NET_PRIVATE},      {"100.127.255.255", NET_PRIVATE},
        {"100.128.0.0", NET_PUBLIC},      {"126.255.255.255", NET_PUBLIC},
        {"127.0.0.0", NET_NEVER},         {"127.255.255.255", NET_NEVER},
        {"128.0.0.0", NET_PUBLIC},        {"169.253.255.255", NET_PUBLIC},
        {"169.254.0.0", NET_NEVER},       {"169.254.169.254", NET_NEVER},
        {"169.254.255.255", NET_NEVER},   {"169.255.0.0", NET_PUBLIC},
        {"172.15.255.255", NET_PUBLIC},   {"172.16.0.0", NET_PRIVATE},
        {"172.31.255.255", NET_PRIVATE},  {"172.32.0.0", NET_PUBLIC},
        {"191.255.255.255", NET_PUBLIC},  {"192.0.0.0", NET_NEVER},
        {"192.0.0.255", NET_NEVER},       {"192.0.1.0", NET_PUBLIC},
        {"192.0.1.255", NET_PUBLIC},      {"192.0.2.0", NET_PRIVATE},
        {"192.0.2.255", NET_PRIVATE},     {"192.0.3.0", NET_PUBLIC},
        {"192.88.98.255", NET_PUBLIC},    {"192.88.99.0", NET_NEVER},
        {"192.88.99.255", NET_NEVER},     {"192.88.100.0", NET_PUBLIC},
        {"192.167.255.255", NET_PUBLIC},  {"192.168.0.0", NET_PRIVATE},
        {"192.168.255.255", NET_PRIVATE}, {"192.169.0.0", NET_PUBLIC},
        {"198.17.255.255", NET_PUBLIC},   {"198.18.0.0", NET_NEVER},
        {"198.19.255.255", NET_NEVER},    {"198.20.0.0", NET_PUBLIC},
        {"198.51.99.255", NET_PUBLIC},    {"198.51.100.0", NET_PRIVATE},
        {"198.51.100.255", NET_PRIVATE},  {"198.51.101.0", NET_PUBLIC},
        {"203.0.112.255", NET_PUBLIC},    {"203.0.113.0", NET_PRIVATE},
        {"203.0.113.255", NET_PRIVATE},   {"203.0.114.0", NET_PUBLIC},
        {"223.255.255.255", NET_PUBLIC},  {"224.0.0.0", NET_NEVER},
        {"239.255.255.255", NET_NEVER},   {"240.0.0.0", NET_NEVER},
        {"255.255.255.255", NET_NEVER},   {"::ffff:127.0.0.1", NET_NEVER},
        {"::ffff:10.0.0.1", NET_PRIVATE}, {"::ffff:8.8.8.8", NET_PUBLIC},
    };

    check_reach(rows, G_N_ELEMENTS(rows));
}

static void
test_reach_v6(void)
{
    static const Reach rows[] = {
        {"::", NET_NEVER},
        {"::1", NET_NEVER},
        {"::8.8.8.8", NET_NEVER},        /* IPv4-compatible */
        {"::ffff:0:8.8.8.8", NET_NEVER}, /* IPv4-translated */
        {"64:ff9a:ffff::1", NET_NEVER},
        {"64:ff9b:0:0:0:1::", NET_NEVER},
        {"64:ff9b:1::8.8.8.8", NET_NEVER},
        {"64:ff9b:1:808:8:800::", NET_NEVER}, /* with a prefix of 48 bits */
        {"100::", NET_NEVER},
        {"100:0:0:1::1", NET_NEVER},
        {"1fff:ffff::1", NET_NEVER},
        {"2000::", NET_PUBLIC},
        {"2000:ffff::1", NET_PUBLIC},
        {"2001:1::1", NET_NEVER},
        {"2001:2::1", NET_NEVER},
        {"2001:20::1", NET_NEVER},
        {"2001:1ff:ffff::1", NET_NEVER},
        {"2001:200::", NET_PUBLIC},
        {"2001:db7:ffff::1", NET_PUBLIC},
        {"2001:db8::", NET_PRIVATE},
        {"2001:db8:ffff::1", NET_PRIVATE},
        {"2001:db9::", NET_PUBLIC},
        {"2606:2800:220::1", NET_PUBLIC},
        {"3ffe:ffff::1", NET_PUBLIC},
        {"3fff::", NET_PRIVATE},
        {"3fff:fff:ffff::1", NET_PRIVATE},
        {"3fff:1000::", NET_PUBLIC},
        {"3fff:ffff::1", NET_PUBLIC},
        {"4000::", NET_NEVER},
        {"5f00::1", NET_NEVER},
        {"fbff:ffff::1", NET_NEVER},
        {"fc00::", NET_PRIVATE},
        {"fdff:ffff::1", NET_PRIVATE},
        {"fe00::", NET_NEVER},
        {"fe80::1", NET_NEVER},
        {"febf:ffff::1", NET_NEVER},
        {"fec0::1", NET_NEVER},
        {"ff02::1", NET_NEVER},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NET_NEVER},
    };

    check_reach(rows, G_N_ELEMENTS(rows));
}

static void
test_clouds(void)
{
    static const Reach rows[] = {
        {"168.63.129.15", NET_PUBLIC},       {"168.63.129.16", NET_NEVER},
        {"168.63.129.17", NET_PUBLIC},       {"100.100.100.199", NET_PRIVATE},
        {"100.100.100.200", NET_NEVER},      {"100.100.100.201", NET_PRIVATE},
        {"192.0.0.192", NET_NEVER},          {"169.254.170.2", NET_NEVER},
        {"169.254.42.42", NET_NEVER},        {"fd00:100::100:200", NET_NEVER},
        {"fd00:100::100:201", NET_PRIVATE},  {"fd00:ec1:ffff::1", NET_PRIVATE},
        {"fd00:ec2::23", NET_NEVER},         {"fd00:ec2::254", NET_NEVER},
        {"fd00:ec3::", NET_PRIVATE},         {"fd20:ce::254", NET_NEVER},
        {"fd20:ce::253", NET_PRIVATE},       {"fd00:c1::a9fe:a9fe", NET_NEVER},
        {"fd00:c1::a9fe:a9ff", NET_PRIVATE}, {"fd00:42::42", NET_NEVER},
        {"fd00:42::43", NET_PRIVATE},        {"fd00:a9fe:a9fe::1", NET_NEVER},
        {"fd00:a9fe:a9fe::2", NET_PRIVATE},  {"64:ff9b::168.63.129.16", NET_NEVER},
    };

    check_reach(rows, G_N_ELEMENTS(rows));
}

/* Addresses that contain others have the narrower reach. */
static void
test_inner(void)
{
    static const Reach rows[] = {
        {"64:ff9b::8.8.8.8", NET_PUBLIC},
        {"64:ff9b::10.9.9.9", NET_PRIVATE},
        {"64:ff9b::169.254.169.254", NET_NEVER},
        {"64:ff9b::0.0.0.0", NET_NEVER},
        {"2002:808:808::1", NET_PUBLIC},
        {"2002:a09:909::1", NET_PRIVATE},
        {"2002:7f00:1::1", NET_NEVER},
        {"2002:a9fe:a9fe:ffff:ffff:ffff:ffff:ffff", NET_NEVER},
        /* Teredo: server 8.8.8.8; client inverted: 8.8.4.4, 10.9.9.9, 127.0.0.1 */
        {"2001:0:808:808:0:0:f7f7:fbfb", NET_PUBLIC},
        {"2001:0:808:808:0:0:f5f6:f6f6", NET_PRIVATE},
        {"2001:0:808:808:0:0:80ff:fffe", NET_NEVER},
        /* server 10.9.9.9, client 8.8.4.4 */
        {"2001:0:a09:909:0:0:f7f7:fbfb", NET_PRIVATE},
        /* ISATAP, with both values of the bit for unique addresses */
        {"2606:2800:220::5efe:8.8.8.8", NET_PUBLIC},
        {"2606:2800:220::5efe:10.9.9.9", NET_PRIVATE},
        {"2606:2800:220::200:5efe:127.0.0.1", NET_NEVER},
        {"2606:2800:220::100:5efe:127.0.0.1", NET_PUBLIC},
        {"2606:2800:220::5eff:127.0.0.1", NET_PUBLIC},
        {"fd00::5efe:8.8.8.8", NET_PRIVATE},
        /* nested: 6to4 of a public address with ISATAP of a private one */
        {"2002:808:808::5efe:10.9.9.9", NET_PRIVATE},
        {"2001:0:808:808:0:5efe:f7f7:fbfb", NET_NEVER}, /* 247.247.251.251 */
    };

    check_reach(rows, G_N_ELEMENTS(rows));
}

static gboolean
note(const NetAddress *address, gpointer data)
{
    GPtrArray *seen = data;
    char *text = g_malloc(NET_ADDRESS_TEXT_MAX);

    net_address_write(address, text);
    g_ptr_array_add(seen, text);
    return seen->len < 3;
}

static void
check_visit(const char *text, const char *expected, gboolean goes_on)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *joined = NULL;
    const NetAddress address = parse(text);

    g_assert_cmpint(net_address_visit(&address, note, seen), ==, goes_on);
    g_ptr_array_add(seen, NULL);
    joined = g_strjoinv(" ", (char **)seen->pdata);
    g_assert_cmpstr(joined, ==, expected);
}

static void
test_visit(void)
{
    check_visit("10.0.0.1", "10.0.0.1", TRUE);
    check_visit("2606:2800:220::1", "2606:2800:220::1", TRUE);
    check_visit("2002:a09:909::1", "2002:a09:909::1 10.9.9.9", TRUE);
    check_visit("64:ff9b::a09:909", "64:ff9b::a09:909 10.9.9.9", TRUE);
    /* The third call, of four, returns FALSE. */
    check_visit("2001:0:808:808:0:5efe:f7f7:fbfb",
                "2001:0:808:808:0:5efe:f7f7:fbfb 8.8.8.8 8.8.4.4", FALSE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/address/text", test_text);
    g_test_add_func("/net/address/no-address", test_no_address);
    g_test_add_func("/net/address/from", test_from);
    g_test_add_func("/net/address/matches", test_matches);
    g_test_add_func("/net/address/mask", test_mask);
    g_test_add_func("/net/address/reach-v4", test_reach_v4);
    g_test_add_func("/net/address/reach-v6", test_reach_v6);
    g_test_add_func("/net/address/clouds", test_clouds);
    g_test_add_func("/net/address/inner", test_inner);
    g_test_add_func("/net/address/visit", test_visit);
    return g_test_run();
}
