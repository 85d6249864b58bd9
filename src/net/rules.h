/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules: decides which connections are allowed.
 *
 * Rules consist of layers: the administrator's, the template's, the sandbox's. A connection is
 * allowed if each layer allows it, and it has the strictest protocol of all layers. In a layer, the
 * narrowest entry of `allow` that contains the target decides the protocol.
 *
 * Mode "internet" and the target "*" contain what is public: private addresses and local names need
 * an entry of their own.
 *
 * All functions are pure. Names that are not canonical are refused. A resolver asks
 * net_rules_judge_lookup() before it resolves a name, and net_rules_judge_address() about each
 * address that it finds.
 */
#pragma once

#include "policy.h"

typedef struct NetRules NetRules;

typedef struct {
    gboolean is_allowed;
    NetProtocol protocol; /* of an allowed connection; never NET_BY_PORT */
    const char *rule;     /* for people: what decided; belongs to the rules; never NULL */
    gboolean is_listed;   /* a network in the last layer's `allow` decided */
} NetVerdict;

NetRules *net_rules_new(void);
void net_rules_free(NetRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetRules, net_rules_free)

/*
 * Adds a layer of a policy that net_policy_check() has accepted. If an entry of it cannot be
 * parsed, the layer allows nothing.
 *
 * A ceiling limits other layers: it need not name the private networks and the local names that
 * they may reach, and an entry without a protocol demands none. Ceilings alone allow nothing.
 */
void net_rules_add(NetRules *rules, const NetPolicy *policy, gboolean is_ceiling);

/* Whether a canonical name may be resolved. It may if a connection to any port of it may be tried;
 * an entry that denies only some ports does not deny it. */
NetVerdict net_rules_judge_lookup(const NetRules *rules, const char *name);
/* Whether a connection to a canonical name may be tried. */
NetVerdict net_rules_judge_name(const NetRules *rules, const char *name, guint16 port);
/* Whether a connection may go to this address. `name`: the canonical name that has the address,
 * which is judged as well; NULL: the program asked for the address. `reach` is what the host's
 * routes say about the address; the narrower of it and net_address_reach() counts. */
NetVerdict net_rules_judge_address(const NetRules *rules, const char *name,
                                   const NetAddress *address, guint16 port, NetReach reach);

/* The lowest limits of all layers; 0: none. */
guint64 net_rules_bandwidth(const NetRules *rules);
guint64 net_rules_connections(const NetRules *rules);
guint64 net_rules_traffic(const NetRules *rules);
