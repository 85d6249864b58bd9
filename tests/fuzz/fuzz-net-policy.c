/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-net-policy: two policies, as cloche-egress receives them, and what they allow together.
 *
 * Input: flags u8 (1: the second policy is a ceiling, 2: the address is on-link), port u16, 16
 * bytes of an address, host s, and two policies. Whatever they say: another layer never allows
 * more, nor with a looser protocol, and addresses that no sandbox may reach are not allowed.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const char *name; /* NULL: none */
    NetAddress address;
    guint16 port;
    NetReach reach;
} Question;

static const Question *question;

static NetVerdict
judge_name(const NetRules *rules)
{
    return net_rules_judge_name(rules, question->name, question->port);
}

static NetVerdict
judge_named(const NetRules *rules)
{
    return net_rules_judge_address(rules, question->name, &question->address, question->port,
                                   question->reach);
}

static NetVerdict
judge_literal(const NetRules *rules)
{
    return net_rules_judge_address(rules, NULL, &question->address, question->port,
                                   question->reach);
}

static gboolean
is_as_strict(NetProtocol protocol, NetProtocol than)
{
    return protocol == than || than == NET_TCP || (than == NET_TLS && protocol == NET_INSPECT);
}

static void
check_verdict(NetVerdict verdict)
{
    g_assert_nonnull(verdict.rule);
    g_assert_true(!verdict.is_allowed || verdict.protocol != NET_BY_PORT);
}

typedef struct {
    NetRules *first, *both, *reverse, *ceiling;
} Sets;

static void
check_sets(const Sets *sets, NetVerdict (*judge)(const NetRules *rules))
{
    NetVerdict first = judge(sets->first), both = judge(sets->both), reverse = judge(sets->reverse);

    check_verdict(first);
    check_verdict(both);
    check_verdict(reverse);
    g_assert_false(judge(sets->ceiling).is_allowed);
    g_assert_cmpint(both.is_allowed, ==, reverse.is_allowed);
    if (!both.is_allowed)
        return;
    g_assert_true(first.is_allowed);
    g_assert_true(is_as_strict(both.protocol, first.protocol));
    g_assert_cmpint(both.protocol, ==, reverse.protocol);
}

static gboolean
is_allowed_to_be_reached(const NetAddress *address, gpointer data)
{
    return net_address_reach(address) != NET_NEVER;
}

static void
check_never(const NetRules *rules)
{
    gboolean is_never =
        !net_address_visit(&question->address, is_allowed_to_be_reached, /* data= */ NULL);

    if (is_never || question->reach == NET_NEVER)
        g_assert_false(judge_literal(rules).is_allowed);
    if ((is_never || question->reach == NET_NEVER) && question->name)
        g_assert_false(judge_named(rules).is_allowed);
}

static void
check_question(const Sets *sets)
{
    check_never(sets->first);
    check_never(sets->both);
    check_sets(sets, judge_literal);
    if (!question->name)
        return;
    check_sets(sets, judge_name);
    check_sets(sets, judge_named);
    if (judge_named(sets->both).is_allowed)
        g_assert_true(judge_name(sets->both).is_allowed);
    if (judge_name(sets->both).is_allowed)
        g_assert_true(net_rules_judge_lookup(sets->both, question->name).is_allowed);
}

static NetRules *
make_rules(const NetPolicy *a, gboolean a_is_ceiling, const NetPolicy *b, gboolean b_is_ceiling)
{
    NetRules *rules = net_rules_new();

    net_rules_add(rules, a, a_is_ceiling);
    if (b)
        net_rules_add(rules, b, b_is_ceiling);
    return rules;
}

static void
check_policies(const NetPolicy *a, const NetPolicy *b, gboolean b_is_ceiling, Question *asked)
{
    static const char *const addresses[] = {"8.8.8.8",         "10.0.0.1",        "127.0.0.1",
                                            "2002:a00:1::1",   "64:ff9b::a00:1",  "fd00::1",
                                            "169.254.169.254", "2606:2800:220::1"};
    g_autoptr(NetRules) first = make_rules(a, FALSE, NULL, FALSE);
    g_autoptr(NetRules) both = make_rules(a, FALSE, b, b_is_ceiling);
    g_autoptr(NetRules) reverse = make_rules(b, b_is_ceiling, a, FALSE);
    g_autoptr(NetRules) ceiling = make_rules(a, TRUE, NULL, FALSE);
    const Sets sets = {first, both, reverse, ceiling};

    question = asked;
    check_question(&sets);
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        g_assert_true(net_address_parse(addresses[i], &asked->address));
        check_question(&sets);
    }
}

/* A policy that was read is written as it was, and passes or fails its check with a reason. */
static NetPolicy *
get_policy(WireReader *r)
{
    static guint8 again[64 * 1024];
    const WireReader before = *r;
    g_autoptr(NetPolicy) policy = net_policy_get(r);
    g_autoptr(GError) error = NULL;
    WireWriter w = {.data = again, .size = sizeof again};

    if (!policy)
        return NULL;
    net_policy_put(&w, policy);
    g_assert_cmpmem(again, w.used, before.data, before.left - r->left);
    g_assert_true(net_policy_check(policy, &error) == (error == NULL));
    return g_steal_pointer(&policy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Question asked = {0};
    WireReader r;

    if (size < 19)
        return 0;
    asked.port = MAX(1, (guint16)(data[1] | data[2] << 8));
    asked.reach = data[0] & 2 ? NET_PRIVATE : NET_PUBLIC;
    memcpy(&asked.address, data + 3, sizeof asked.address);
    wire_reader_init(&r, data + 19, size - 19);
    g_autofree char *host = wire_get_string(&r, 300);
    g_autofree char *name = host ? net_name_canonical(host) : NULL;
    g_autoptr(NetPolicy) a = get_policy(&r), b = a ? get_policy(&r) : NULL;

    asked.name = name;
    if (b)
        check_policies(a, b, (data[0] & 1) != 0, &asked);
    return 0;
}
