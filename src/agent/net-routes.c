/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-routes: what `ip` would do, as requests to rtnetlink.
 *
 *     ip link add eth0 type dummy; ip link set eth0 addrgenmode none
 *     ip link set lo up; ip link set eth0 up
 *     ip addr add 192.0.2.2/32 dev eth0; ip -6 addr add fd00:c10c::2/128 dev eth0 nodad
 *     ip [-6] route add default dev eth0
 *     ip route add local 0.0.0.0/0 dev lo src 192.0.2.2 table 100
 *     ip -6 route add local ::/0 dev lo src fd00:c10c::2 table 100
 *     ip [-6] rule add …                                   (the table `rules`)
 *
 * The default route has no other use than that programs find one.
 */
#include "net-routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "net-netlink.h"

#define INTERFACE "eth0"
#define TABLE 100u
#define RULES_FIRST 100u /* priority; the kernel's own are 0 and 32766 */
#define DNS_PORT 53
#define GATE 2 /* the index of its rule */
#define TRIES_MAX 1000
#define TRY_INTERVAL_US 5000

static const struct {
    int family;
    const char *address;
    uint8_t size; /* of an address, in bytes */
    uint8_t icmp;
} families[] = {
    {AF_INET, NET_ADDRESS4, 4, IPPROTO_ICMP},
    {AF_INET6, NET_ADDRESS6, 16, IPPROTO_ICMPV6},
};
#define FAMILIES (sizeof families / sizeof *families)

typedef enum {
    TO_MAIN_BUT_DEFAULT, /* lookup main suppress_prefixlength 0 */
    TO_TABLE,
    UNREACHABLE,
} Verdict;

typedef struct {
    uint8_t protocol; /* 0: any */
    uint16_t port;    /* 0: any */
    Verdict verdict;
} Rule;

/* In this order. */
static const Rule rules[] = {
    {0, 0, TO_MAIN_BUT_DEFAULT},
    {IPPROTO_TCP, DNS_PORT, TO_TABLE},
    [GATE] = {IPPROTO_TCP, 0, UNREACHABLE}, /* while it is closed */
    {IPPROTO_TCP, 0, TO_TABLE},
    {IPPROTO_UDP, DNS_PORT, TO_TABLE},
    {IPPROTO_UDP, 0, UNREACHABLE},
    {IPPROTO_ICMP, 0, UNREACHABLE}, /* or that of IPv6 */
};

/* --- interfaces --- */

static int
make_interface(int fd)
{
    const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
    NetlinkRequest request;

    netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof fixed);
    netlink_put(&request, IFLA_IFNAME, INTERFACE, sizeof INTERFACE);
    size_t nest = netlink_nest(&request, IFLA_LINKINFO);
    netlink_put(&request, IFLA_INFO_KIND, "dummy", strlen("dummy"));
    netlink_nest_end(&request, nest);
    return netlink_ask(fd, &request);
}

/* Otherwise, the interface would have a route to its link, where nobody answers. */
static int
omit_link_local(int fd, unsigned interface)
{
    const struct ifinfomsg fixed = {.ifi_index = (int)interface};
    const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    NetlinkRequest request;

    netlink_begin(&request, RTM_SETLINK, 0, &fixed, sizeof fixed);
    size_t families_nest = netlink_nest(&request, IFLA_AF_SPEC);
    size_t ipv6_nest = netlink_nest(&request, AF_INET6);
    netlink_put(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    netlink_nest_end(&request, ipv6_nest);
    netlink_nest_end(&request, families_nest);
    return netlink_ask(fd, &request);
}

static int
raise_interface(int fd, unsigned interface)
{
    const struct ifinfomsg fixed = {
        .ifi_index = (int)interface, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    NetlinkRequest request;

    netlink_begin(&request, RTM_NEWLINK, 0, &fixed, sizeof fixed);
    return netlink_ask(fd, &request);
}

/* --- for one family --- */

static int
add_address(int fd, size_t family, unsigned interface)
{
    const struct ifaddrmsg fixed = {
        .ifa_family = (uint8_t)families[family].family,
        .ifa_prefixlen = (uint8_t)(8 * families[family].size),
        .ifa_flags = IFA_F_NODAD,
        .ifa_index = interface,
    };
    NetlinkRequest request;
    uint8_t address[16];

    inet_pton(families[family].family, families[family].address, address);
    netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &fixed, sizeof fixed);
    netlink_put(&request, IFA_LOCAL, address, families[family].size);
    netlink_put(&request, IFA_ADDRESS, address, families[family].size);
    return netlink_ask(fd, &request);
}

/* A route for all destinations. */
static int
add_route(int fd, size_t family, uint8_t type, uint32_t table, unsigned interface)
{
    const struct rtmsg fixed = {
        .rtm_family = (uint8_t)families[family].family,
        .rtm_table = (uint8_t)table,
        .rtm_protocol = RTPROT_BOOT,
        .rtm_scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
        .rtm_type = type,
    };
    NetlinkRequest request;
    uint8_t address[16];

    inet_pton(families[family].family, families[family].address, address);
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &fixed, sizeof fixed);
    netlink_put_u32(&request, RTA_OIF, interface);
    if (type == RTN_LOCAL)
        netlink_put(&request, RTA_PREFSRC, address, families[family].size);
    return netlink_ask(fd, &request);
}

/* `type`: RTM_NEWRULE or RTM_DELRULE */
static int
change_rule(int fd, uint16_t type, size_t family, uint32_t priority, const Rule *rule)
{
    const struct fib_rule_hdr fixed = {
        .family = (uint8_t)families[family].family,
        .action = rule->verdict == UNREACHABLE ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL,
    };
    const struct fib_rule_port_range ports = {rule->port, rule->port};
    uint8_t protocol = rule->protocol == IPPROTO_ICMP ? families[family].icmp : rule->protocol;
    NetlinkRequest request;

    netlink_begin(&request, type, type == RTM_NEWRULE ? NLM_F_CREATE : 0, &fixed, sizeof fixed);
    netlink_put_u32(&request, FRA_PRIORITY, priority);
    if (rule->verdict != UNREACHABLE)
        netlink_put_u32(&request, FRA_TABLE, rule->verdict == TO_TABLE ? TABLE : RT_TABLE_MAIN);
    if (rule->verdict == TO_MAIN_BUT_DEFAULT)
        netlink_put_u32(&request, FRA_SUPPRESS_PREFIXLEN, 0);
    if (protocol)
        netlink_put(&request, FRA_IP_PROTO, &protocol, sizeof protocol);
    if (rule->port)
        netlink_put(&request, FRA_DPORT_RANGE, &ports, sizeof ports);
    return netlink_ask(fd, &request);
}

/* For each family, also if one fails. */
static int
change_rules(uint16_t type, uint32_t priority, const Rule *rule)
{
    int r = 0;
    int fd = netlink_open(/* groups= */ 0);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < FAMILIES; i++) {
        int result = change_rule(fd, type, i, priority, rule);
        r = r < 0 ? r : result;
    }
    close(fd);
    return r;
}

static int
open_family(int fd, size_t family, unsigned interface)
{
    int r = add_address(fd, family, interface);
    if (r == 0)
        r = add_route(fd, family, RTN_UNICAST, RT_TABLE_MAIN, interface);
    if (r == 0)
        r = add_route(fd, family, RTN_LOCAL, TABLE, if_nametoindex("lo"));
    for (uint32_t i = 0; r == 0 && i < sizeof rules / sizeof *rules; i++)
        r = change_rule(fd, RTM_NEWRULE, family, RULES_FIRST + i, &rules[i]);
    return r;
}

/* The kernel adds the route to an IPv6 address a moment after the address. */
static int
wait_for_ipv6(void)
{
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
    int r = -1;

    inet_pton(AF_INET6, NET_ADDRESS6, &own.sin6_addr);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < TRIES_MAX && r < 0; i++) {
        if (i > 0)
            usleep(TRY_INTERVAL_US);
        r = connect(fd, (struct sockaddr *)&own, sizeof own) < 0 ? -errno : 0;
    }
    close(fd);
    return r;
}

int
net_routes_open(void)
{
    int fd = netlink_open(/* groups= */ 0);
    if (fd < 0)
        return fd;
    unsigned lo = if_nametoindex("lo"), interface = lo;
    if (make_interface(fd) == 0)
        interface = if_nametoindex(INTERFACE);
    int r = interface == lo ? 0 : omit_link_local(fd, interface);
    if (r == 0)
        r = raise_interface(fd, lo);
    if (r == 0)
        r = raise_interface(fd, interface);
    for (size_t i = 0; r == 0 && i < FAMILIES; i++)
        r = open_family(fd, i, interface);
    close(fd);
    return r < 0 ? r : wait_for_ipv6();
}

int
net_routes_set_gate(bool is_open)
{
    return change_rules(is_open ? RTM_DELRULE : RTM_NEWRULE, RULES_FIRST + GATE, &rules[GATE]);
}

int
net_routes_close(void)
{
    static const Rule all = {.verdict = UNREACHABLE};

    /* Of rules with the same priority, the new one comes last: after the users' routes. */
    return change_rules(RTM_NEWRULE, RULES_FIRST, &all);
}
