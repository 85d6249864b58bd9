/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network: what network a sandbox has.
 *
 * cloche-egress makes the connections, in a process for each sandbox that has a network. The core
 * gives it the guest's port and the policy, and hands both over again when cloche-egress or this
 * service was restarted. Whatever fails, the network is closed: a worker without a policy, and a
 * guest without a worker, reach nothing.
 */
#pragma once

#include "create.h"
#include "egress.h"
#include "sandbox.h"

typedef enum {
    NETWORK_OFF,
    NETWORK_STARTING, /* it is being made, or handed over */
    NETWORK_ON,
    NETWORK_CLOSED, /* nothing passes */
    _NETWORK_STATE_MAX,
} NetworkState;

/* As dbus/org.cloche1.xml documents it: "off", … */
const char *network_state_name(NetworkState state);
NetworkState network_state(const Network *network);
/* In one line, why it is closed; "" in other states. */
const char *network_reason(const Network *network);
/* The sandbox's own policy, in force or to be in force again. */
const NetPolicy *network_policy(const Network *network);

/* The policies that limit it, and what they let it have at most. */
QuotaAmounts network_amounts(const CoreConfig *config, const NetPolicy *base,
                             const NetPolicy *policy);

/*
 * Replaces the policy. The secrets of the request that have no file keep their value. Changes of
 * one sandbox happen one after the other; a change that has not begun is replaced by a later one,
 * and its caller gets the result of that one. When it fails, the earlier policy is in force, or the
 * network is closed and its state says why.
 *
 * CLOCHE_ERROR_NOT_PERMITTED if the administrator permits no network, CLOCHE_ERROR_UNSUPPORTED if
 * the host has no cloche-egress, or if an earlier version of cloche started the machine.
 */
void core_set_network_async(Core *core, Sandbox *sandbox, const NetworkRequest *request,
                            GAsyncReadyCallback callback, gpointer data);
gboolean core_set_network_finish(GAsyncResult *result, GError **error);

/* What the sandbox's network has done since it was made; nothing if it is off. */
void core_traffic_async(Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data);
gboolean core_traffic_finish(GAsyncResult *result, EgressTraffic *ret, GError **error);

/* Returns a socket that gives a line of JSON for each connection, until the reader closes it or the
 * network is closed. Its owner is charged with a process meanwhile. -1 with an error. */
int core_watch_connections(Sandbox *sandbox, GError **error);
