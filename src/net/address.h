/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * address: addresses of the internet, and which of them a sandbox may reach.
 *
 * An address is 16 bytes; IPv4 is ::ffff:0:0/96. All functions are pure.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint8 bytes[16];
} NetAddress;

#define NET_ADDRESS_TEXT_MAX 46u /* with the zero byte */

/* Parses what inet_pton() takes: four decimal numbers, or IPv6 without a zone. */
gboolean net_address_parse(const char *text, NetAddress *ret);
/* Takes `family`, AF_INET or AF_INET6, and an in_addr or in6_addr. */
void net_address_from(int family, const void *in, NetAddress *ret);
gboolean net_address_is_v4(const NetAddress *address);
/* Writes the text of NET_ADDRESS_TEXT_MAX bytes. IPv4 is written as four numbers. */
void net_address_write(const NetAddress *address, char *out);
/* Whether both are IPv4, or both IPv6, and their first `prefix` bits, of 128, are equal. So "::/0"
 * contains no IPv4 address. */
gboolean net_address_matches(const NetAddress *address, const NetAddress *network, guint prefix);
/* Clears all bits after the first `prefix`, of 128. */
void net_address_mask(NetAddress *address, guint prefix);

typedef enum {
    NET_PUBLIC,
    NET_PRIVATE, /* of a local network, or for documentation */
    NET_NEVER,   /* this host, its cloud's services, a link, a group, or reserved */
} NetReach;

/* Returns the reach of an address. An address that contains another one, as those of NAT64, 6to4,
 * Teredo and ISATAP do, has the narrower reach of both. */
NetReach net_address_reach(const NetAddress *address);

/* Calls `each` for the address, and for each IPv4 address that it contains, until it returns FALSE.
 * Returns what the last call returned. */
typedef gboolean (*NetAddressVisit)(const NetAddress *address, gpointer data);
gboolean net_address_visit(const NetAddress *address, NetAddressVisit each, gpointer data);
