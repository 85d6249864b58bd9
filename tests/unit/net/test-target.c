/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-target: names, the parts of an entry, and what an entry contains. */
#include <string.h>

#include "error.h"
#include "target.h"

/* Shows a text in the output, which is TAP. */
static void
show(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);

    g_test_message("%s", escaped);
}

static NetTarget *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    NetTarget *target = net_target_parse(text, &error);

    show(text);
    g_assert_no_error(error);
    g_assert_nonnull(target);
    g_assert_cmpstr(target->text, ==, text);
    return target;
}

static void
refuse(const char *text, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *pattern = g_strdup_printf("*: %s*", reason);

    show(text);
    g_assert_null(net_target_parse(text, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_true(g_pattern_match_simple(pattern, error->message));
}

/* --- names --- */

static void
test_canonical(void)
{
    static const struct {
        const char *name, *canonical;
    } rows[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com", "example.com"},
        {"example.com.", "example.com"},
        {"localhost", "localhost"},
        {"_dmarc.example.com", "_dmarc.example.com"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"1.example", "1.example"},
        {"a.b1", "a.b1"},
        {"r3---sn-x.example", "r3---sn-x.example"},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {"...", NULL},
        {"example.com..", NULL},
        {".example.com", NULL},
        {"a..b", NULL},
        {"b\303\274cher.example", NULL},
        {"a b.example", NULL},
        {"a%lo", NULL},
        {"a/b", NULL},
        {"a:b", NULL},
        {"*.example.com", NULL},
        {"a\n.example", NULL},
        /* what programs may take for an address */
        {"1.2.3.4", NULL},
        {"1.2.3.4.", NULL},
        {"10.9.2313", NULL},
        {"168364297", NULL},
        {"0x0a090909", NULL},
        {"0X0A090909", NULL},
        {"example.0x1", NULL},
        {"example.1com", NULL},
        {"::1", NULL},
        {"[::1]", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *canonical = net_name_canonical(rows[i].name);

        show(rows[i].name);
        g_assert_cmpstr(canonical, ==, rows[i].canonical);
    }
}

/* A name of labels of 63 bytes and a rest, `length` bytes in all. */
static char *
make_name(gsize length)
{
    GString *name = g_string_new(NULL);

    for (gsize i = 0; i < length; i++)
        g_string_append_c(name, i % 64 == 63 ? '.' : 'a');
    return g_string_free(name, FALSE);
}

static void
test_name_bounds(void)
{
    g_autofree char *label = make_name(63), *long_label = g_strconcat(label, "a", NULL);
    g_autofree char *name = make_name(253), *long_name = make_name(254);
    g_autofree char *dotted = g_strconcat(name, ".", NULL);
    g_autofree char *below = g_strconcat("*.", name, ":65535-65535/inspect", NULL);
    g_autofree char *of_label = net_name_canonical(label);
    g_autofree char *of_long_label = net_name_canonical(long_label);
    g_autofree char *of_name = net_name_canonical(name);
    g_autofree char *of_long_name = net_name_canonical(long_name);
    g_autofree char *of_dotted = net_name_canonical(dotted);

    g_assert_cmpstr(of_label, ==, label);
    g_assert_null(of_long_label);
    g_assert_cmpstr(of_name, ==, name);
    g_assert_null(of_long_name);
    g_assert_cmpstr(of_dotted, ==, name);
    /* The longest entry is not too long. */
    refuse(below, "/inspect needs");
}

static void
test_local_names(void)
{
    static const struct {
        const char *name;
        gboolean is_local;
    } rows[] = {
        {"localhost", TRUE},
        {"a.localhost", TRUE},
        {"printer", TRUE},
        {"com", TRUE},
        {"printer.local", TRUE},
        {"metadata.google.internal", TRUE},
        {"host.docker.internal", TRUE},
        {"router.home.arpa", TRUE},
        {"1.0.0.10.in-addr.arpa", TRUE},
        {"abc.onion", TRUE},
        {"db.corp", TRUE},
        {"nas.lan", TRUE},
        {"example.com", FALSE},
        {"local.example", FALSE},
        {"internal.com", FALSE},
        {"a.xlocal", FALSE},
        {"a.locals", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        show(rows[i].name);
        g_assert_cmpint(net_name_is_local(rows[i].name), ==, rows[i].is_local);
    }
}

/* --- parts --- */

static void
test_parts(void)
{
    static const struct {
        const char *text;
        NetTargetKind kind;
        const char *host; /* name, or network */
        guint prefix;
        guint first, last;
        NetProtocol protocol;
    } rows[] = {
        {"*", NET_TARGET_ALL, NULL, 0, 1, 65535, NET_BY_PORT},
        {"*:22", NET_TARGET_ALL, NULL, 0, 22, 22, NET_BY_PORT},
        {"*/http", NET_TARGET_ALL, NULL, 0, 1, 65535, NET_HTTP},
        {"Example.COM.", NET_TARGET_NAME, "example.com", 0, 1, 65535, NET_BY_PORT},
        {"example.com:443", NET_TARGET_NAME, "example.com", 0, 443, 443, NET_BY_PORT},
        {"example.com:1-65535/tcp", NET_TARGET_NAME, "example.com", 0, 1, 65535, NET_TCP},
        {"example.com:8443/tls", NET_TARGET_NAME, "example.com", 0, 8443, 8443, NET_TLS},
        {"example.com/inspect", NET_TARGET_NAME, "example.com", 0, 1, 65535, NET_INSPECT},
        {"*.Example.com.", NET_TARGET_BELOW, ".example.com", 0, 1, 65535, NET_BY_PORT},
        {"*.example.com:80-81", NET_TARGET_BELOW, ".example.com", 0, 80, 81, NET_BY_PORT},
        {"10.0.0.0/8", NET_TARGET_NETWORK, "10.0.0.0", 104, 1, 65535, NET_BY_PORT},
        {"10.0.0.0/8:5432/tcp", NET_TARGET_NETWORK, "10.0.0.0", 104, 5432, 5432, NET_TCP},
        {"0.0.0.0/0", NET_TARGET_NETWORK, "0.0.0.0", 96, 1, 65535, NET_BY_PORT},
        {"1.2.3.4", NET_TARGET_NETWORK, "1.2.3.4", 128, 1, 65535, NET_BY_PORT},
        {"1.2.3.4/32:25", NET_TARGET_NETWORK, "1.2.3.4", 128, 25, 25, NET_BY_PORT},
        {"::/0", NET_TARGET_NETWORK, "::", 0, 1, 65535, NET_BY_PORT},
        {"fd00::1", NET_TARGET_NETWORK, "fd00::1", 128, 1, 65535, NET_BY_PORT},
        {"fd00::/8", NET_TARGET_NETWORK, "fd00::", 8, 1, 65535, NET_BY_PORT},
        {"fd00::1:443", NET_TARGET_NETWORK, "fd00::1:443", 128, 1, 65535, NET_BY_PORT},
        {"[fd00::1]", NET_TARGET_NETWORK, "fd00::1", 128, 1, 65535, NET_BY_PORT},
        {"[fd00::1]:443", NET_TARGET_NETWORK, "fd00::1", 128, 443, 443, NET_BY_PORT},
        {"[fd00::]/8:443/tls", NET_TARGET_NETWORK, "fd00::", 8, 443, 443, NET_TLS},
        {"::ffff:10.0.0.0/104", NET_TARGET_NETWORK, "10.0.0.0", 104, 1, 65535, NET_BY_PORT},
        {"::ffff:1.2.3.4", NET_TARGET_NETWORK, "1.2.3.4", 128, 1, 65535, NET_BY_PORT},
    };
    char text[NET_ADDRESS_TEXT_MAX];

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetTarget) target = parse(rows[i].text);

        g_assert_cmpint(target->kind, ==, rows[i].kind);
        g_assert_cmpuint(target->port_first, ==, rows[i].first);
        g_assert_cmpuint(target->port_last, ==, rows[i].last);
        g_assert_cmpint(target->protocol, ==, rows[i].protocol);
        if (target->kind != NET_TARGET_NETWORK) {
            g_assert_cmpstr(target->name, ==, rows[i].host);
            continue;
        }
        g_assert_null(target->name);
        g_assert_cmpuint(target->prefix, ==, rows[i].prefix);
        net_address_write(&target->network, text);
        g_assert_cmpstr(text, ==, rows[i].host);
    }
}

static void
test_refused(void)
{
    static const char *const no_host[] = {
        "",
        ":443",
        "/tcp",
        "*.",
        "*..",
        "*.*.com",
        "*com",
        "a*.com",
        "**",
        "*.1.2.3.4",
        "a..b",
        "a b",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "0x0a090909",
        "168364297",
        "1.2.3.4/33",

        "10.0.0.0/8/8",
        "[1.2.3.4]",
        "[1.2.3.4]:80",
        "[]",
        "[]:80",
        "[fd00::1",
        "fd00::1]",
        "[fd00::/8]",
        "[[::1]]",
        "[::1]x:443",
        "fe80::1%lo",
        "[::1%1]:80",
        "fd00::/129",
        "example.com/8",
        "1.2.3.4/31x",
        "a.com/24:80",
        "a.com]:80",
    };
    static const char *const no_port[] = {
        "a.com:",      "a.com:0",     "a.com:65536", "a.com:-1",  "a.com:1-",   "a.com:2-1",
        "a.com:1-2-3", "a.com:+1",    "a.com: 1",    "a.com:0-1", "a.com:http", "a.com:1-65536",
        "[::1]:",      "10.0.0.0/8:", "a.com:1 ",    "*:0",
    };
    static const char *const no_protocol[] = {"a.com/",     "a.com/TCP",    "a.com/udp",
                                              "a.com/ tcp", "http://a.com", "a.com:80/x",
                                              "10.0.0.0/",  "a.com/tcp/",   "1.2.3.4/-1"};
    static const char *const stray_bits[] = {"10.0.0.1/8", "fd00::1/127", "::1/0", "10.0.0.0/6",
                                             "::ffff:0.0.0.0/95"};

    for (gsize i = 0; i < G_N_ELEMENTS(no_host); i++)
        refuse(no_host[i], "a name, *.NAME");
    for (gsize i = 0; i < G_N_ELEMENTS(no_port); i++)
        refuse(no_port[i], "after ':', a port");
    for (gsize i = 0; i < G_N_ELEMENTS(no_protocol); i++)
        refuse(no_protocol[i], "after '/'");
    for (gsize i = 0; i < G_N_ELEMENTS(stray_bits); i++)
        refuse(stray_bits[i], "bits after");
    refuse("*/inspect", "/inspect needs");
    refuse("*.a.com/inspect", "/inspect needs");
    refuse("1.2.3.4/inspect", "/inspect needs");
    refuse("\377\376.example", "a name");
}

static void
test_entry_length(void)
{
    g_autofree char *longest = g_strnfill(NET_TARGET_MAX, 'a');
    g_autofree char *longer = g_strnfill(NET_TARGET_MAX + 1, 'a');

    refuse(longest, "a name, *.NAME");
    refuse(longer, "it is too long");
}

/* --- what a target contains --- */

static void
test_has_name(void)
{
    static const struct {
        const char *text, *name;
        gboolean has;
    } rows[] = {
        {"example.com", "example.com", TRUE},
        {"example.com", "www.example.com", FALSE},
        {"example.com", "xexample.com", FALSE},
        {"example.com", "example.com.evil", FALSE},
        {"EXAMPLE.com.", "example.com", TRUE},
        {"*.example.com", "www.example.com", TRUE},
        {"*.example.com", "a.b.example.com", TRUE},
        {"*.example.com", "example.com", FALSE},
        {"*.example.com", "xexample.com", FALSE},
        {"*.example.com", "www.example.com.evil", FALSE},
        {"*", "example.com", TRUE},
        {"*", "localhost", TRUE},
        {"0.0.0.0/0", "example.com", FALSE},
        {"::/0", "example.com", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetTarget) target = parse(rows[i].text);

        g_assert_cmpint(net_target_has_name(target, rows[i].name), ==, rows[i].has);
    }
}

static void
test_has_address(void)
{
    static const struct {
        const char *text, *address;
        gboolean has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", TRUE},
        {"10.0.0.0/8", "11.0.0.0", FALSE},
        {"10.0.0.0/8", "::ffff:10.1.1.1", TRUE},
        {"::ffff:10.0.0.0/104", "10.1.1.1", TRUE},
        {"0.0.0.0/0", "255.255.255.255", TRUE},
        {"0.0.0.0/0", "2606:2800:220::1", FALSE},
        {"::/0", "2606:2800:220::1", TRUE},
        {"::/0", "8.8.8.8", FALSE},
        {"8.8.8.8", "8.8.8.8", TRUE},
        {"8.8.8.8", "8.8.8.9", FALSE},
        {"*", "8.8.8.8", TRUE},
        {"example.com", "8.8.8.8", FALSE},
        {"*.example.com", "8.8.8.8", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetTarget) target = parse(rows[i].text);
        NetAddress address;

        g_assert_true(net_address_parse(rows[i].address, &address));
        g_assert_cmpint(net_target_has_address(target, &address), ==, rows[i].has);
    }
}

static void
test_has_port(void)
{
    g_autoptr(NetTarget) all = parse("*"), some = parse("*:80-82"), one = parse("*:443");

    g_assert_true(net_target_has_port(all, 1));
    g_assert_true(net_target_has_port(all, 65535));
    g_assert_false(net_target_has_port(all, 0));
    g_assert_false(net_target_has_port(some, 79));
    g_assert_true(net_target_has_port(some, 80));
    g_assert_true(net_target_has_port(some, 82));
    g_assert_false(net_target_has_port(some, 83));
    g_assert_false(net_target_has_port(one, 442));
    g_assert_true(net_target_has_port(one, 443));
    g_assert_false(net_target_has_port(one, 444));
}

/* Each one is narrower than all that follow. */
static void
test_narrower(void)
{
    static const char *const names[] = {"www.example.com:443",
                                        "www.example.com:443-444",
                                        "www.example.com",
                                        "*.example.com",
                                        "*.com:443",
                                        "*.com",
                                        "*:443",
                                        "*"};
    static const char *const networks[] = {"10.0.0.1", "10.0.0.0/8:443", "10.0.0.0/8", "0.0.0.0/0",
                                           "*"};
    const struct {
        const char *const *texts;
        gsize count;
    } lists[] = {{names, G_N_ELEMENTS(names)}, {networks, G_N_ELEMENTS(networks)}};

    for (gsize l = 0; l < G_N_ELEMENTS(lists); l++)
        for (gsize i = 0; i < lists[l].count; i++)
            for (gsize j = 0; j < lists[l].count; j++) {
                g_autoptr(NetTarget) a = parse(lists[l].texts[i]), b = parse(lists[l].texts[j]);

                g_assert_cmpint(net_target_is_narrower(a, b), ==, i < j);
            }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/target/canonical", test_canonical);
    g_test_add_func("/net/target/name-bounds", test_name_bounds);
    g_test_add_func("/net/target/local-names", test_local_names);
    g_test_add_func("/net/target/parts", test_parts);
    g_test_add_func("/net/target/refused", test_refused);
    g_test_add_func("/net/target/entry-length", test_entry_length);
    g_test_add_func("/net/target/has-name", test_has_name);
    g_test_add_func("/net/target/has-address", test_has_address);
    g_test_add_func("/net/target/has-port", test_has_port);
    g_test_add_func("/net/target/narrower", test_narrower);
    return g_test_run();
}
