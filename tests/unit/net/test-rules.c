/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-rules: verdicts of one layer and of several, as tables. */
#include "rules.h"

/* --- layers, written as texts --- */

static char **
split(const char *entries)
{
    return *entries ? g_strsplit(entries, " ", -1) : g_new0(char *, 1);
}

/* Adds a secret "HOST:PORT" to a policy. */
static void
add_secret(NetPolicy *policy, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    NetSecret *secret = g_new0(NetSecret, 1);

    secret->name = g_strdup("");
    secret->host = g_strdup(parts[0]);
    secret->port = (guint16)g_ascii_strtoull(parts[1], NULL, 10);
    secret->header = g_strdup("Authorization");
    secret->format = g_strdup("Bearer %s");
    secret->methods = g_new0(char *, 1);
    secret->paths = g_new0(char *, 1);
    g_ptr_array_add(policy->secrets, secret);
}

/* "MODE[ private][ ceiling]|ALLOW|DENY[|SECRETS]" */
static void
add_layer(NetRules *rules, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);
    g_auto(GStrv) words = g_strsplit(parts[0], " ", -1);
    g_autoptr(NetPolicy) policy = net_policy_new();
    const char *const *known = (const char *const *)words;

    g_assert_true(net_mode_parse(words[0], &policy->mode));
    policy->has_private = g_strv_contains(known, "private");
    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->allow = split(parts[1]);
    policy->deny = split(parts[2]);
    if (parts[3])
        add_secret(policy, parts[3]);
    net_rules_add(rules, policy, g_strv_contains(known, "ceiling"));
}

/* Layers are separated by ";". */
static NetRules *
make_rules(const char *layers)
{
    g_auto(GStrv) texts = g_strsplit(layers, ";", -1);
    NetRules *rules = net_rules_new();

    for (char **text = texts; *text; text++)
        if (**text)
            add_layer(rules, *text);
    return rules;
}

/* `expected`: the name of the protocol, or "no". */
static void
check_verdict(NetVerdict verdict, const char *expected)
{
    g_assert_nonnull(verdict.rule);
    g_test_message("  %s", verdict.rule);
    g_assert_cmpstr(verdict.is_allowed ? net_protocol_name(verdict.protocol) : "no", ==, expected);
}

typedef struct {
    const char *layers, *host;
    guint16 port;
    const char *expected;
} Row;

static void
check_names(const Row *rows, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        g_autoptr(NetRules) rules = make_rules(rows[i].layers);

        g_test_message("%s: %s %u", rows[i].layers, rows[i].host, (guint)rows[i].port);
        check_verdict(net_rules_judge_name(rules, rows[i].host, rows[i].port), rows[i].expected);
    }
}

static NetVerdict
judge(const char *layers, const char *name, const char *text, guint16 port, NetReach reach)
{
    g_autoptr(NetRules) rules = make_rules(layers);
    NetAddress address;
    NetVerdict verdict;

    g_test_message("%s: %s %s %u", layers, name ? name : "-", text, (guint)port);
    g_assert_true(net_address_parse(text, &address));
    verdict = net_rules_judge_address(rules, name, &address, port, reach);
    verdict.rule = g_intern_string(verdict.rule);
    return verdict;
}

static void
check_addresses(const Row *rows, gsize count)
{
    for (gsize i = 0; i < count; i++)
        check_verdict(judge(rows[i].layers, NULL, rows[i].host, rows[i].port, NET_PUBLIC),
                      rows[i].expected);
}

/* --- one layer --- */

static void
test_names(void)
{
    static const Row rows[] = {
        {"", "a.example", 443, "no"},
        {"off||", "a.example", 443, "no"},
        {"off|a.example|", "a.example", 443, "no"},
        {"restricted||", "a.example", 443, "no"},
        {"restricted|a.example|", "a.example", 443, "tls"},
        {"restricted|a.example|", "a.example", 80, "http"},
        {"restricted|a.example|", "a.example", 22, "tcp"},
        {"restricted|a.example|", "b.a.example", 443, "no"},
        {"restricted|*.example|", "a.example", 443, "tls"},
        {"restricted|*.a.example|", "a.example", 443, "no"},
        {"restricted|*|", "a.example", 443, "tls"},
        {"restricted|a.example:443|", "a.example", 442, "no"},
        {"restricted|a.example:443|", "a.example", 443, "tls"},
        {"restricted|a.example:443|", "a.example", 444, "no"},
        {"restricted|a.example:8080/http|", "a.example", 8080, "http"},
        {"restricted|a.example:443/tcp|", "a.example", 443, "tcp"},
        {"restricted|a.example/inspect|", "a.example", 443, "inspect"},
        {"restricted|8.8.8.8 0.0.0.0/0 ::/0|", "a.example", 443, "no"},
        {"internet||", "a.example", 443, "tls"},
        {"internet||", "a.example", 25, "tcp"},
        {"internet|a.example/tcp|", "a.example", 443, "tcp"},
        {"internet|a.example:22|", "a.example", 443, "tls"},
        /* deny comes first, at its ports */
        {"internet||a.example", "a.example", 443, "no"},
        {"internet||a.example", "b.example", 443, "tls"},
        {"internet||*.example", "a.example", 443, "no"},
        {"internet||*", "a.example", 443, "no"},
        {"internet||*:25", "a.example", 24, "tcp"},
        {"internet||*:25", "a.example", 25, "no"},
        {"internet||*:25", "a.example", 26, "tcp"},
        {"restricted|a.example|*", "a.example", 443, "no"},
        {"restricted|a.example|*:443", "a.example", 443, "no"},
        {"restricted|a.example|*:443", "a.example", 80, "http"},
        {"internet||0.0.0.0/0 ::/0", "a.example", 443, "tls"},
        /* other forms of a name, which no entry contains */
        {"internet||a.example", "A.example", 443, "no"},
        {"internet||a.example", "a.example.", 443, "no"},
        {"internet||", "a.example.", 443, "no"},
        {"internet||", "8.8.8.8", 443, "no"},
        {"internet||", "", 443, "no"},
        {"internet||", "a..example", 443, "no"},
        /* an entry that cannot be parsed closes the layer */
        {"internet|a.example|1.2.3.4/33", "a.example", 443, "no"},
        {"internet|1.2.3.4/33|", "a.example", 443, "no"},
    };

    check_names(rows, G_N_ELEMENTS(rows));
}

static void
test_local_names(void)
{
    static const Row rows[] = {
        {"internet||", "localhost", 80, "no"},
        {"internet||", "printer", 80, "no"},
        {"internet||", "printer.local", 80, "no"},
        {"internet||", "metadata.google.internal", 80, "no"},
        {"restricted|*|", "db.internal", 80, "no"},
        {"internet|*|", "db.internal", 80, "no"},
        {"restricted|db.internal|", "db.internal", 80, "http"},
        {"internet|db.internal|", "db.internal", 80, "http"},
        {"internet|*.internal|", "db.internal", 80, "http"},
        {"internet|*.internal:81|", "db.internal", 80, "no"},
        {"restricted|db.internal|*", "db.internal", 80, "no"},
        /* a ceiling of mode internet need not name them; one that is restricted must */
        {"internet ceiling||;restricted|db.internal|", "db.internal", 80, "http"},
        {"internet ceiling||;internet||", "db.internal", 80, "no"},
        {"restricted ceiling|*|;restricted|db.internal|", "db.internal", 80, "no"},
        {"restricted ceiling|*.internal|;restricted|db.internal|", "db.internal", 80, "http"},
    };

    check_names(rows, G_N_ELEMENTS(rows));
}

/* The order of entries does not matter. */
static void
test_narrowest(void)
{
    static const Row rows[] = {
        {"restricted|* a.example/inspect|", "a.example", 443, "inspect"},
        {"restricted|a.example/inspect *|", "a.example", 443, "inspect"},
        {"restricted|*.example/tcp *.b.example/tls *|", "a.b.example", 80, "tls"},
        {"restricted|* *.b.example/tls *.example/tcp|", "a.b.example", 80, "tls"},
        {"restricted|a.example a.example:443/tcp|", "a.example", 443, "tcp"},
        {"restricted|a.example:443/tcp a.example|", "a.example", 443, "tcp"},
        {"restricted|a.example:443/tcp a.example|", "a.example", 444, "tcp"},
        {"restricted|a.example:80/tcp a.example/inspect|", "a.example", 443, "inspect"},
    };
    static const Row addresses[] = {
        {"restricted|* 8.8.8.0/24/tcp|", "8.8.8.8", 443, "tcp"},
        {"restricted|8.8.8.0/24/tcp *|", "8.8.8.8", 443, "tcp"},
        {"restricted|8.0.0.0/8/tcp 8.8.8.8|", "8.8.8.8", 443, "tls"},
    };

    check_names(rows, G_N_ELEMENTS(rows));
    check_addresses(addresses, G_N_ELEMENTS(addresses));
}

static void
test_addresses(void)
{
    static const Row rows[] = {
        {"", "8.8.8.8", 443, "no"},
        {"off|*|", "8.8.8.8", 443, "no"},
        {"restricted||", "8.8.8.8", 443, "no"},
        {"restricted|a.example *.example|", "8.8.8.8", 443, "no"},
        {"restricted|8.8.8.8|", "8.8.8.8", 443, "tls"},
        {"restricted|8.8.8.8|", "8.8.8.9", 443, "no"},
        {"restricted|8.8.8.8:53|", "8.8.8.8", 52, "no"},
        {"restricted|8.8.8.8:53|", "8.8.8.8", 53, "tcp"},
        {"restricted|8.8.8.8:53|", "8.8.8.8", 54, "no"},
        {"restricted|*|", "8.8.8.8", 53, "tcp"},
        {"restricted|*|", "2606:2800:220::1", 53, "tcp"},
        {"restricted|::/0|", "8.8.8.8", 53, "no"},
        {"restricted|0.0.0.0/0|", "2606:2800:220::1", 53, "no"},
        {"internet||", "8.8.8.8", 80, "http"},
        {"internet||8.8.8.8", "8.8.8.8", 80, "no"},
        {"internet||8.8.8.8:80-81", "8.8.8.8", 79, "tcp"},
        {"internet||8.8.8.8:80-81", "8.8.8.8", 81, "no"},
        {"internet||8.8.8.8:80-81", "8.8.8.8", 82, "tcp"},
        {"internet||a.example", "8.8.8.8", 80, "http"},
        {"internet||*", "8.8.8.8", 80, "no"},
        {"restricted|8.8.8.8|8.0.0.0/8", "8.8.8.8", 80, "no"},
        /* what an address contains is denied, too */
        {"internet||8.8.8.8", "::ffff:8.8.8.8", 80, "no"},
        {"internet||8.8.8.8", "64:ff9b::8.8.8.8", 80, "no"},
        {"internet||8.8.8.8", "2002:808:808::1", 80, "no"},
        {"internet||8.8.8.8", "2001:0:101:101:0:0:f7f7:f7f7", 80, "no"},
        {"internet||8.8.8.8", "2606:2800:220::5efe:8.8.8.8", 80, "no"},
        {"internet||8.8.8.9", "2002:808:808::1", 80, "http"},
        /* but not allowed by it */
        {"restricted|8.8.8.8|", "2002:808:808::1", 80, "no"},
        {"restricted|8.8.8.8|", "::ffff:8.8.8.8", 80, "http"},
    };

    check_addresses(rows, G_N_ELEMENTS(rows));
}

static void
test_never(void)
{
    static const char *const addresses[] = {
        "0.0.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b:1::8.8.8.8",
        "2606:2800::5efe:127.0.0.1",
    };
    static const char layers[] =
        "internet ceiling||;internet private|* 0.0.0.0/0 ::/0 a.example 127.0.0.1 ::1|";

    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        check_verdict(judge(layers, NULL, addresses[i], 80, NET_PUBLIC), "no");
        check_verdict(judge(layers, "a.example", addresses[i], 80, NET_PUBLIC), "no");
    }
    check_verdict(judge(layers, NULL, "8.8.8.8", 80, NET_NEVER), "no");
    check_verdict(judge(layers, NULL, "10.0.0.1", 80, NET_NEVER), "no");
    check_verdict(judge(layers, NULL, "8.8.8.8", 80, NET_PUBLIC), "http");
}

static void
test_private(void)
{
    static const Row rows[] = {
        {"internet||", "10.0.0.1", 80, "no"},
        {"internet private||", "10.0.0.1", 80, "no"},
        {"internet private|*|", "10.0.0.1", 80, "no"},
        {"internet|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"restricted|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"internet private|10.0.0.0/8|", "10.0.0.1", 80, "http"},
        {"restricted private|10.0.0.0/8|", "10.0.0.1", 80, "http"},
        {"restricted private|10.0.0.0/8:81|", "10.0.0.1", 80, "no"},
        {"restricted private|10.0.0.0/8|10.0.0.1", "10.0.0.1", 80, "no"},
        {"restricted private|10.0.0.0/8|", "192.168.0.1", 80, "no"},
        {"off private|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"restricted private|10.0.0.0/8|", "64:ff9b::10.0.0.1", 80, "no"},
        {"restricted private|10.0.0.0/8|", "2002:a00:1::1", 80, "no"},
        {"restricted private|64:ff9b::/96|", "64:ff9b::10.0.0.1", 80, "http"},
        {"restricted private|64:ff9b::/96|10.0.0.0/8", "64:ff9b::10.0.0.1", 80, "no"},
        {"restricted private|fd00::/8|", "fd00::1", 80, "http"},
        {"restricted private|::/0|", "10.0.0.1", 80, "no"},
        {"restricted private|10.0.0.0/8/tcp */tls|", "10.0.0.1", 443, "tcp"},
        /* ceilings */
        {"internet ceiling||;restricted private|10.0.0.0/8|", "10.0.0.1", 80, "http"},
        {"internet ceiling||10.0.0.1;restricted private|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"internet ceiling||;restricted|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"internet ceiling||;internet||", "10.0.0.1", 80, "no"},
        {"restricted ceiling|*|;restricted private|10.0.0.0/8|", "10.0.0.1", 80, "no"},
        {"restricted ceiling|10.0.0.0/16|;restricted private|10.0.0.0/8|", "10.0.0.1", 80, "http"},
        {"restricted ceiling|10.0.0.0/16|;restricted private|10.0.0.0/8|", "10.1.0.1", 80, "no"},
        /* the template's layer must contain it as well */
        {"internet||;restricted private|10.0.0.0/8|", "10.0.0.1", 80, "no"},
    };
    static const char layers[] = "restricted private|a.example b.example 10.0.0.0/8:80|";

    check_addresses(rows, G_N_ELEMENTS(rows));
    /* on-link */
    check_verdict(judge("internet||", NULL, "8.8.8.8", 80, NET_PRIVATE), "no");
    check_verdict(judge("internet private|8.8.8.8|", NULL, "8.8.8.8", 80, NET_PRIVATE), "http");
    check_verdict(judge(layers, "a.example", "10.0.0.1", 80, NET_PUBLIC), "http");
    check_verdict(judge(layers, "a.example", "10.0.0.1", 81, NET_PUBLIC), "no");
    check_verdict(judge(layers, "a.example", "192.168.0.1", 80, NET_PUBLIC), "no");
    check_verdict(judge(layers, "a.example", "8.8.8.8", 80, NET_PRIVATE), "no");
}

/* An address that a name has is judged together with the name. */
static void
test_addresses_of_names(void)
{
    static const char layers[] =
        "restricted|a.example b.example/inspect 9.9.9.9|8.8.4.4 8.8.6.6:80";
    NetVerdict verdict = judge(layers, "a.example", "8.8.8.8", 443, NET_PUBLIC);

    check_verdict(verdict, "tls");
    g_assert_cmpstr(verdict.rule, ==, "allow a.example");
    check_verdict(judge(layers, "b.example", "8.8.8.8", 443, NET_PUBLIC), "inspect");
    check_verdict(judge(layers, "a.example", "8.8.4.4", 443, NET_PUBLIC), "no");
    check_verdict(judge(layers, "a.example", "2002:808:404::1", 443, NET_PUBLIC), "no");
    check_verdict(judge(layers, "a.example", "8.8.6.6", 443, NET_PUBLIC), "tls");
    check_verdict(judge(layers, "a.example", "8.8.6.6", 80, NET_PUBLIC), "no");
    check_verdict(judge(layers, "a.example", "10.0.0.1", 443, NET_PUBLIC), "no");
    /* neither the name nor the address makes up for the other */
    check_verdict(judge(layers, "c.example", "9.9.9.9", 443, NET_PUBLIC), "no");
    check_verdict(judge(layers, NULL, "9.9.9.9", 443, NET_PUBLIC), "tls");
    check_verdict(judge(layers, NULL, "8.8.8.8", 443, NET_PUBLIC), "no");
    check_verdict(judge("off|a.example|", "a.example", "8.8.8.8", 443, NET_PUBLIC), "no");
    check_verdict(judge("internet||*:443", "a.example", "8.8.8.8", 443, NET_PUBLIC), "no");
}

static void
test_lookups(void)
{
    static const struct {
        const char *layers, *name;
        gboolean is_allowed;
    } rows[] = {
        {"", "a.example", FALSE},
        {"off|*|", "a.example", FALSE},
        {"restricted|a.example:443|", "a.example", TRUE},
        {"restricted|a.example:443|", "b.example", FALSE},
        {"restricted|8.8.8.8 0.0.0.0/0|", "a.example", FALSE},
        {"internet||", "a.example", TRUE},
        {"internet||", "printer.local", FALSE},
        {"internet||a.example", "a.example", FALSE},
        {"internet||a.example:1-65535", "a.example", FALSE},
        {"internet||a.example:2-65535", "a.example", TRUE},
        {"internet||a.example:1-65534", "a.example", TRUE},
        {"internet||*:25", "a.example", TRUE},
        {"internet||*", "a.example", FALSE},
        {"restricted|a.example|;restricted|b.example|", "a.example", FALSE},
        /* entries for different ports have no conflict */
        {"restricted|a.example:80/http a.example:443/tls|;restricted|a.example:443/tls|",
         "a.example", TRUE},
        {"restricted|a.example:80|;restricted|a.example:443/inspect|;internet||", "a.example",
         TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetRules) rules = make_rules(rows[i].layers);
        NetVerdict verdict = net_rules_judge_lookup(rules, rows[i].name);

        g_test_message("%s: %s", rows[i].layers, rows[i].name);
        g_assert_nonnull(verdict.rule);
        g_assert_cmpint(verdict.is_allowed, ==, rows[i].is_allowed);
    }
    /* An address that is found without a port is denied only if all of its ports are. */
    check_verdict(judge("internet||8.8.8.8:80", "a.example", "8.8.8.8", 0, NET_PUBLIC), "tcp");
    check_verdict(judge("internet||8.8.8.8", "a.example", "8.8.8.8", 0, NET_PUBLIC), "no");
}

/* --- several layers --- */

static void
test_layers(void)
{
    static const Row rows[] = {
        {"internet||;restricted|a.example|", "a.example", 443, "tls"},
        {"internet||;restricted|a.example|", "b.example", 443, "no"},
        {"restricted|a.example|;internet||", "a.example", 443, "tls"},
        {"restricted|a.example|;internet||", "b.example", 443, "no"},
        {"off||;internet||", "a.example", 443, "no"},
        {"internet||;off||", "a.example", 443, "no"},
        {"internet||a.example;restricted|a.example|", "a.example", 443, "no"},
        {"restricted|*:443|;restricted|a.example:80|", "a.example", 443, "no"},
        {"restricted|*:443|;restricted|a.example:80|", "a.example", 80, "no"},
        {"internet ceiling||;internet||;restricted|a.example|", "a.example", 443, "tls"},
        /* ceilings alone allow nothing */
        {"internet ceiling||", "a.example", 443, "no"},
        {"restricted ceiling|a.example|", "a.example", 443, "no"},
    };
    static const Row addresses[] = {
        {"internet ceiling||", "8.8.8.8", 443, "no"},
        {"internet ceiling||", "10.0.0.1", 443, "no"},
        {"internet ceiling||;internet||", "8.8.8.8", 443, "tls"},
        {"internet ceiling||8.8.8.8;internet||", "8.8.8.8", 443, "no"},
    };

    check_names(rows, G_N_ELEMENTS(rows));
    check_addresses(addresses, G_N_ELEMENTS(addresses));
}

static void
test_protocols(void)
{
    static const char *const names[] = {"tcp", "tls", "http", "inspect"};
    /* of the row's layer and the column's */
    static const char *const combined[4][4] = {
        {"tcp", "tls", "http", "inspect"},
        {"tls", "tls", "no", "inspect"},
        {"http", "no", "http", "no"},
        {"inspect", "inspect", "no", "inspect"},
    };
    static const Row rows[] = {
        /* without a protocol, a layer demands that of the port; a ceiling demands none */
        {"internet||;restricted|a.example/tcp|", "a.example", 443, "tls"},
        {"restricted|a.example/tcp|;internet||", "a.example", 443, "tls"},
        {"restricted|a.example/tcp|;internet||", "a.example", 80, "http"},
        {"internet ceiling||;restricted|a.example/tcp|", "a.example", 443, "tcp"},
        {"restricted ceiling|*|;restricted|a.example/tcp|", "a.example", 443, "tcp"},
        {"restricted ceiling|*/tcp|;restricted|a.example|", "a.example", 443, "tls"},
        {"restricted ceiling|*/tls|;restricted|a.example/tcp|", "a.example", 8443, "tls"},
        {"restricted ceiling|*/http|;restricted|a.example|", "a.example", 443, "no"},
    };

    for (guint i = 0; i < 4; i++)
        for (guint j = 0; j < 4; j++) {
            g_autofree char *layers = g_strdup_printf(
                "restricted|a.example/%s|;internet|a.example/%s|", names[i], names[j]);
            const Row row = {layers, "a.example", 7, combined[i][j]};

            check_names(&row, 1);
        }
    check_names(rows, G_N_ELEMENTS(rows));
}

static void
test_secrets(void)
{
    static const Row rows[] = {
        {"restricted|a.example||a.example:443", "a.example", 443, "inspect"},
        {"restricted|a.example||a.example:443", "a.example", 8443, "tcp"},
        {"restricted|a.example||a.example:8443", "a.example", 8443, "inspect"},
        {"restricted|*||a.example:443", "a.example", 443, "inspect"},
        {"restricted|*||a.example:443", "b.example", 443, "tls"},
        {"restricted|*||a.example:443", "b.a.example", 443, "tls"},
        {"internet|||a.example:443", "a.example", 443, "inspect"},
        {"restricted|a.example/tls||a.example:443", "a.example", 443, "inspect"},
        {"restricted|a.example/tcp||a.example:443", "a.example", 443, "no"},
        {"restricted|a.example/http||a.example:443", "a.example", 443, "no"},
        {"restricted|b.example||a.example:443", "a.example", 443, "no"},
        {"internet||a.example|a.example:443", "a.example", 443, "no"},
        {"internet ceiling||;internet|||a.example:443", "a.example", 443, "inspect"},
        {"restricted|*/tcp|;internet|||a.example:443", "a.example", 443, "inspect"},
        {"restricted|*/http|;internet|||a.example:443", "a.example", 443, "no"},
    };

    check_names(rows, G_N_ELEMENTS(rows));
}

static void
test_rule_texts(void)
{
    static const struct {
        const char *layers, *host, *rule;
    } rows[] = {
        {"", "a.example", "no policy"},
        {"off||", "a.example", "the network is off"},
        {"restricted||", "a.example", "not in allow"},
        {"internet||", "a.example", "mode internet"},
        {"internet||", "a.local", "a local name: it needs an entry in allow"},
        {"internet||*.Example", "a.example", "deny *.Example"},
        {"internet||;restricted|A.example.:443|", "a.example", "allow A.example.:443"},
        {"restricted|a.example/tls|;restricted|a.example/http|", "a.example",
         "the policies demand different protocols"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetRules) rules = make_rules(rows[i].layers);

        g_assert_cmpstr(net_rules_judge_name(rules, rows[i].host, 443).rule, ==, rows[i].rule);
    }
}

static void
test_limits(void)
{
    static const struct {
        guint64 first, second, lowest;
    } rows[] = {{0, 0, 0}, {0, 7, 7}, {7, 0, 7}, {7, 8, 7}, {8, 7, 7}, {1, G_MAXUINT64, 1}};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(NetPolicy) first = net_policy_new(), second = net_policy_new();
        g_autoptr(NetRules) rules = net_rules_new();

        first->bandwidth = rows[i].first;
        first->connections = rows[i].second;
        first->traffic = rows[i].first;
        second->bandwidth = rows[i].second;
        second->connections = rows[i].first;
        second->traffic = rows[i].second;
        net_rules_add(rules, first, TRUE);
        net_rules_add(rules, second, FALSE);
        g_assert_cmpuint(net_rules_bandwidth(rules), ==, rows[i].lowest);
        g_assert_cmpuint(net_rules_connections(rules), ==, rows[i].lowest);
        g_assert_cmpuint(net_rules_traffic(rules), ==, rows[i].lowest);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/rules/names", test_names);
    g_test_add_func("/net/rules/local-names", test_local_names);
    g_test_add_func("/net/rules/narrowest", test_narrowest);
    g_test_add_func("/net/rules/addresses", test_addresses);
    g_test_add_func("/net/rules/never", test_never);
    g_test_add_func("/net/rules/private", test_private);
    g_test_add_func("/net/rules/addresses-of-names", test_addresses_of_names);
    g_test_add_func("/net/rules/lookups", test_lookups);
    g_test_add_func("/net/rules/layers", test_layers);
    g_test_add_func("/net/rules/protocols", test_protocols);
    g_test_add_func("/net/rules/secrets", test_secrets);
    g_test_add_func("/net/rules/rule-texts", test_rule_texts);
    g_test_add_func("/net/rules/limits", test_limits);
    return g_test_run();
}
