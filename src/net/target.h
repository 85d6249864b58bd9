/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * target: one entry of a list of allowed or denied targets, and the names of hosts.
 *
 *   TARGET[:PORT[-PORT]][/tcp|/tls|/http|/inspect]
 *
 * TARGET is a name, "*.name" (every name below it, not itself), "*" (every name and every address),
 * an address, or a network ("10.0.0.0/8"). Where a port follows, IPv6 is in brackets, and the
 * length of a prefix after them: "[fd00::]/8:443".
 */
#pragma once

#include "address.h"

#define NET_TARGET_MAX 300u /* bytes of an entry */

typedef enum {
    NET_BY_PORT, /* 443: tls, 80: http, others: tcp */
    NET_TCP,     /* bytes */
    NET_TLS,     /* begins with a ClientHello for the name */
    NET_HTTP,    /* each request is for the name */
    NET_INSPECT, /* HTTP in TLS that ends in cloche-egress */
} NetProtocol;

typedef enum {
    NET_TARGET_ALL,
    NET_TARGET_NAME,
    NET_TARGET_BELOW,   /* names that end in `name` */
    NET_TARGET_NETWORK, /* addresses */
} NetTargetKind;

typedef struct {
    NetTargetKind kind;
    char *name; /* canonical; of NET_TARGET_BELOW with the dot that it begins with */
    NetAddress network;
    guint prefix; /* of 128 */
    guint16 port_first, port_last;
    NetProtocol protocol;
    char *text; /* as it was given */
} NetTarget;

/* CLOCHE_ERROR_INVALID_ARGUMENT says what is wrong, and quotes the entry. */
NetTarget *net_target_parse(const char *text, GError **error);
void net_target_free(NetTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetTarget, net_target_free)

/* `name` is canonical. */
gboolean net_target_has_name(const NetTarget *target, const char *name);
gboolean net_target_has_address(const NetTarget *target, const NetAddress *address);
gboolean net_target_has_port(const NetTarget *target, guint16 port);
/* Whether `a` is the narrower one of two targets that contain the same host: a name is narrower
 * than a pattern, a longer pattern or prefix than a shorter one. For the same hosts, fewer ports
 * are narrower. */
gboolean net_target_is_narrower(const NetTarget *a, const NetTarget *b);

/*
 * Returns the canonical form of a host name: lower case, without the dot at its end; NULL if it is
 * no name. Labels consist of letters, digits, '-' and '_'. A name whose last label begins with a
 * digit is none, because programs may take it for an address.
 */
char *net_name_canonical(const char *name);
/* Whether a canonical name has a meaning only in local networks, or in no network: it has one
 * label, or a last label that the internet's DNS does not have, as "internal". */
gboolean net_name_is_local(const char *name);
const char *net_protocol_name(NetProtocol protocol);
