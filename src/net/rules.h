/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules: decides which connections are allowed.
 *
 * Rules consist of layers: the administrator's, the template's, the sandbox's. A connection is
 * allowed if each layer allows it. All functions are pure: who resolves a name asks before it does,
 * and asks again about each address.
 */
#pragma once

#include "policy.h"

typedef struct NetRules NetRules;

typedef struct {
    gboolean is_allowed;
    NetProtocol protocol; /* of an allowed connection; never NET_BY_PORT */
    const char *rule;     /* for people: what decided; belongs to the rules */
} NetVerdict;

NetRules *net_rules_new(void);
void net_rules_free(NetRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetRules, net_rules_free)

/* Adds a layer of a policy that net_policy_check() has accepted. A ceiling only limits other
 * layers: it need not name the private networks that they may reach. */
void net_rules_add(NetRules *rules, const NetPolicy *policy, gboolean is_ceiling);

/* Whether a canonical name may be resolved: some port of it is allowed. */
NetVerdict net_rules_judge_lookup(const NetRules *rules, const char *name);
/* Whether a connection to a canonical name may be tried. */
NetVerdict net_rules_judge_name(const NetRules *rules, const char *name, guint16 port);
/* Whether it may go to this address, which the name has (`name` NULL: the program asked for the
 * address). `reach` is what the host's routes say about the address; the narrower of it and
 * net_address_reach() counts. For a name, the protocol is that of net_rules_judge_name(). */
NetVerdict net_rules_judge_address(const NetRules *rules, const char *name,
                                   const NetAddress *address, guint16 port, NetReach reach);

/* The lowest limits of all layers; 0: none. */
guint64 net_rules_bandwidth(const NetRules *rules);
guint64 net_rules_connections(const NetRules *rules);
guint64 net_rules_traffic(const NetRules *rules);
