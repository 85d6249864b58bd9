/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-target: entries of a policy, and names as guests ask for them.
 *
 * The first line is an entry, the second one a name. An entry that is accepted can be written in a
 * canonical form, which means the same; what a name contains has no address, and vice versa.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
write_host(const NetTarget *target)
{
    char text[NET_ADDRESS_TEXT_MAX];
    gboolean is_v4 = net_address_is_v4(&target->network);

    if (target->kind == NET_TARGET_ALL)
        return g_strdup("*");
    if (target->kind == NET_TARGET_BELOW)
        return g_strconcat("*", target->name, NULL);
    if (target->kind == NET_TARGET_NAME)
        return g_strdup(target->name);
    net_address_write(&target->network, text);
    return g_strdup_printf(is_v4 ? "%s/%u" : "[%s]/%u", text, target->prefix - (is_v4 ? 96 : 0));
}

static void
write_and_parse(const NetTarget *target)
{
    g_autofree char *host = write_host(target);
    g_autofree char *text = g_strdup_printf(
        "%s:%u-%u%s%s", host, (guint)target->port_first, (guint)target->port_last,
        target->protocol == NET_BY_PORT ? "" : "/", net_protocol_name(target->protocol));
    g_autoptr(NetTarget) again = net_target_parse(text, NULL);

    g_assert_nonnull(again);
    g_assert_cmpint(again->kind, ==, target->kind);
    g_assert_cmpstr(again->name, ==, target->name);
    g_assert_cmpmem(&again->network, sizeof(NetAddress), &target->network, sizeof(NetAddress));
    g_assert_cmpuint(again->prefix, ==, target->prefix);
    g_assert_cmpuint(again->port_first, ==, target->port_first);
    g_assert_cmpuint(again->port_last, ==, target->port_last);
    g_assert_cmpint(again->protocol, ==, target->protocol);
    g_assert_false(net_target_is_narrower(again, target));
}

static void
check_contents(const NetTarget *target, const char *name)
{
    static const char *const addresses[] = {"0.0.0.0", "8.8.8.8", "10.0.0.1", "::", "2606:2800::1"};
    gboolean has_names = target->kind != NET_TARGET_NETWORK;
    gboolean has_addresses = target->kind == NET_TARGET_NETWORK || target->kind == NET_TARGET_ALL;

    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        NetAddress address;

        g_assert_true(net_address_parse(addresses[i], &address));
        g_assert_true(has_addresses || !net_target_has_address(target, &address));
    }
    g_assert_true(!has_addresses || net_target_has_address(target, &target->network) ||
                  target->kind == NET_TARGET_ALL);
    g_assert_true(has_names || !name || !net_target_has_name(target, name));
    if (target->kind == NET_TARGET_NAME)
        g_assert_true(net_target_has_name(target, target->name));
    if (target->kind == NET_TARGET_BELOW)
        g_assert_false(net_target_has_name(target, target->name + 1));
    g_assert_cmpuint(target->port_first, >=, 1);
    g_assert_cmpuint(target->port_first, <=, target->port_last);
}

/* Returns the canonical form, which no function of libc takes for an address. */
static char *
check_name(const char *name)
{
    g_autofree char *canonical = net_name_canonical(name), *again = NULL;
    struct in_addr in;
    NetAddress address;

    if (!canonical)
        return NULL;
    again = net_name_canonical(canonical);
    g_assert_cmpstr(again, ==, canonical);
    g_assert_cmpuint(strlen(canonical), <=, 253);
    g_assert_cmpint(inet_aton(canonical, &in), ==, 0);
    g_assert_false(net_address_parse(canonical, &address));
    return g_steal_pointer(&canonical);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 2);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = lines[0] && lines[1] ? check_name(lines[1]) : NULL;
    g_autoptr(NetTarget) target = net_target_parse(lines[0] ? lines[0] : "", &error);

    g_assert_true((target == NULL) == (error != NULL));
    if (!target) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    write_and_parse(target);
    check_contents(target, name);
    return 0;
}
