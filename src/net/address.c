/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* address: tables of networks, from the registries of special-purpose addresses (RFC 6890). */
#include "address.h"

#include <arpa/inet.h>
#include <string.h>

static const guint8 mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

gboolean
net_address_is_v4(const NetAddress *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

static void
set_v4(NetAddress *ret, const void *in)
{
    memcpy(ret->bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(ret->bytes + sizeof mapped_prefix, in, 4);
}

void
net_address_from(int family, const void *in, NetAddress *ret)
{
    if (family == AF_INET)
        set_v4(ret, in);
    else
        memcpy(ret->bytes, in, sizeof ret->bytes);
}

gboolean
net_address_parse(const char *text, NetAddress *ret)
{
    guint8 in[16];

    if (inet_pton(AF_INET, text, in) == 1)
        net_address_from(AF_INET, in, ret);
    else if (inet_pton(AF_INET6, text, in) == 1)
        net_address_from(AF_INET6, in, ret);
    else
        return FALSE;
    return TRUE;
}

void
net_address_write(const NetAddress *address, char *out)
{
    if (net_address_is_v4(address))
        inet_ntop(AF_INET, address->bytes + 12, out, NET_ADDRESS_TEXT_MAX);
    else
        inet_ntop(AF_INET6, address->bytes, out, NET_ADDRESS_TEXT_MAX);
}

gboolean
net_address_matches(const NetAddress *address, const NetAddress *network, guint prefix)
{
    const guint8 *a = address->bytes, *b = network->bytes;
    guint bytes = prefix / 8, bits = prefix % 8;

    return net_address_is_v4(address) == net_address_is_v4(network) && memcmp(a, b, bytes) == 0 &&
           (bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0);
}

void
net_address_mask(NetAddress *address, guint prefix)
{
    for (guint i = 0; i < sizeof address->bytes; i++)
        if (prefix <= 8 * i)
            address->bytes[i] = 0;
        else if (prefix < 8 * (i + 1))
            address->bytes[i] &= (guint8)(0xff00u >> (prefix - 8 * i));
}

/* --- reach --- */

typedef struct {
    const char *network;
    guint prefix; /* of 128; of 32 for IPv4 */
    NetReach reach;
} Special;

/* The first row that contains an address decides. IPv6 that is not listed is not in use. */
static const Special special[] = {
    /* What clouds offer to the machine itself, in networks that are else public or private. */
    {"168.63.129.16", 32, NET_NEVER},   /* Azure */
    {"100.100.100.200", 32, NET_NEVER}, /* Alibaba */
    {"fd00:100::100:200", 128, NET_NEVER},
    {"fd00:ec2::", 32, NET_NEVER},          /* AWS: metadata, credentials, names, time */
    {"fd20:ce::254", 128, NET_NEVER},       /* Google */
    {"fd00:c1::a9fe:a9fe", 128, NET_NEVER}, /* Oracle */
    {"fd00:42::42", 128, NET_NEVER},        /* Scaleway */
    {"fd00:a9fe:a9fe::1", 128, NET_NEVER},  /* Akamai */

    {"0.0.0.0", 8, NET_NEVER},      /* this network */
    {"127.0.0.0", 8, NET_NEVER},    /* loopback */
    {"169.254.0.0", 16, NET_NEVER}, /* link-local, metadata services of clouds */
    {"192.0.0.0", 24, NET_NEVER},   /* protocol assignments */
    {"192.88.99.0", 24, NET_NEVER}, /* relays of 6to4 */
    {"198.18.0.0", 15, NET_NEVER},  /* benchmarks; the guests' synthetic addresses */
    {"224.0.0.0", 4, NET_NEVER},    /* multicast */
    {"240.0.0.0", 4, NET_NEVER},    /* reserved, broadcast */
    {"10.0.0.0", 8, NET_PRIVATE},
    {"172.16.0.0", 12, NET_PRIVATE},
    {"192.168.0.0", 16, NET_PRIVATE},
    {"100.64.0.0", 10, NET_PRIVATE}, /* carriers' NAT */
    {"192.0.2.0", 24, NET_PRIVATE},  /* documentation */
    {"198.51.100.0", 24, NET_PRIVATE},
    {"203.0.113.0", 24, NET_PRIVATE},
    {"0.0.0.0", 0, NET_PUBLIC},

    {"64:ff9b::", 96, NET_PUBLIC}, /* NAT64: the IPv4 address in it decides */
    {"fc00::", 7, NET_PRIVATE},
    {"2001:db8::", 32, NET_PRIVATE}, /* documentation */
    {"3fff::", 20, NET_PRIVATE},
    {"2001::", 32, NET_PUBLIC}, /* Teredo: the IPv4 addresses in it decide */
    {"2001::", 23, NET_NEVER},  /* protocol assignments */
    {"2000::", 3, NET_PUBLIC},  /* all that is assigned to hosts */
    /* Loopback, link-local, multicast and IPv4-compatible addresses; NAT64 of a local network,
     * where the position of the IPv4 address is not known (RFC 8215). */
    {"::", 0, NET_NEVER},
};

/* Returns the networks of the table, which are parsed once. */
static const NetAddress *
get_networks(void)
{
    static NetAddress networks[G_N_ELEMENTS(special)];
    static gsize are_parsed;

    if (g_once_init_enter(&are_parsed)) {
        for (gsize i = 0; i < G_N_ELEMENTS(special); i++)
            net_address_parse(special[i].network, &networks[i]);
        g_once_init_leave(&are_parsed, 1);
    }
    return networks;
}

static NetReach
own_reach(const NetAddress *address)
{
    const NetAddress *networks = get_networks();

    for (gsize i = 0; i < G_N_ELEMENTS(special); i++) {
        guint bits = net_address_is_v4(&networks[i]) ? 96 : 0;

        if (net_address_matches(address, &networks[i], special[i].prefix + bits))
            return special[i].reach;
    }
    return NET_NEVER;
}

/* --- addresses inside of others --- */

/* Finds IPv4 addresses to which a packet for this address may go on. */
static guint
find_inner(const NetAddress *address, NetAddress *inner)
{
    static const guint8 nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const guint8 six_to_four[2] = {0x20, 0x02};
    static const guint8 teredo[4] = {0x20, 0x01};
    static const guint8 isatap[3] = {0x00, 0x5e, 0xfe};
    const guint8 *b = address->bytes;
    guint8 inverted[4];
    guint count = 0;

    if (memcmp(b, nat64, sizeof nat64) == 0)
        set_v4(&inner[count++], b + 12);
    if (memcmp(b, six_to_four, sizeof six_to_four) == 0)
        set_v4(&inner[count++], b + 2);
    if (memcmp(b, teredo, sizeof teredo) == 0) { /* the server, and the client inverted */
        for (guint i = 0; i < 4; i++)
            inverted[i] = b[12 + i] ^ 0xff;
        set_v4(&inner[count++], b + 4);
        set_v4(&inner[count++], inverted);
    }
    if ((b[8] & ~2) == 0 && memcmp(b + 9, isatap, sizeof isatap) == 0)
        set_v4(&inner[count++], b + 12);
    return count;
}

gboolean
net_address_visit(const NetAddress *address, NetAddressVisit each, gpointer data)
{
    NetAddress inner[4];
    guint count = net_address_is_v4(address) ? 0 : find_inner(address, inner);
    gboolean goes_on = each(address, data);

    for (guint i = 0; goes_on && i < count; i++)
        goes_on = each(&inner[i], data);
    return goes_on;
}

static gboolean
take_narrower(const NetAddress *address, gpointer data)
{
    NetReach *reach = data;

    *reach = MAX(*reach, own_reach(address));
    return TRUE;
}

NetReach
net_address_reach(const NetAddress *address)
{
    NetReach reach = NET_PUBLIC;

    net_address_visit(address, take_narrower, &reach);
    return reach;
}
