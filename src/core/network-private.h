/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-private: the parts of the networks of sandboxes, for the core. */
#pragma once

#include "core-private.h"
#include "network.h"
#include "operation.h"

typedef struct NetworkChange NetworkChange;

struct Network {
    Core *core;
    Sandbox *sandbox;  /* NULL: it has ended, or the service leaves it */
    NetPolicy *base;   /* the template's; NULL: it has none */
    NetPolicy *policy; /* never NULL */
    NetworkState state;
    char *reason;            /* why it is closed; NULL: it is not */
    gboolean is_spent;       /* it is closed until it is set again */
    gboolean has_port;       /* its worker has the guest's port */
    gboolean must_hand_over; /* as soon as nothing else is under way */
    char *certificates;      /* of its own authority; NULL or "": it has none */
    char *trusted;           /* what the guest was told to trust; NULL: nothing */
    QuotaAmounts charged;
    NetworkChange *change;      /* under way */
    NetworkChange *next;        /* NULL: none follows */
    guint retry;                /* of a handover that failed; 0: none */
    GPtrArray *watches;         /* of NetworkWatch */
    GPtrArray *traffic_callers; /* of GTask: they wait for the same figures */
};

/* Why a network is closed while there is no connection to cloche-egress. */
#define NETWORK_AWAY "cloche-egress is not running"
#define NETWORK_EXHAUSTED "the traffic that its policy permits is used up"

/* --- network.c --- */

/* Takes the policies; `base` may be NULL. */
Network *network_new(Core *core, NetPolicy *base, NetPolicy *policy);
Network *network_ref(Network *network);
void network_unref(Network *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Network, network_unref)
/* The machine of the sandbox has an id: from now on, the network has one. */
void network_enter(Network *network, Sandbox *sandbox);
/* The machine ends: the worker is ended. */
void network_end(Network *network);
/* The sandbox continues without this process, and so does its worker. */
void network_leave(Network *network);
/* `reason`: NULL unless it is closed. */
void network_set_state(Network *network, NetworkState state, const char *reason);
gboolean network_is_on(const Network *network); /* its policy is not "off" */
/* Adds the variables by which programs that bring certificates of their own trust those of
 * cloche-egress, if it inspects requests; variables that are there already stay. Returns a new
 * list. */
char **network_environment(const NetPolicy *policy, char **environment);
/* Whether each secret has a value, or had one in `earlier` (or NULL). */
gboolean network_check_values(const NetworkRequest *request, const NetPolicy *earlier,
                              GError **error);
/* Duplicates files of secrets, or -1. */
GArray *network_copy_secrets(const GArray *secrets);
/* CLOCHE_ERROR_NOT_PERMITTED, CLOCHE_ERROR_QUOTA_EXCEEDED or CLOCHE_ERROR_UNSUPPORTED. */
gboolean network_check(const Core *core, const NetPolicy *base, const NetPolicy *policy,
                       GError **error);

/* --- network-change.c --- */

/* The policy that its record has to have. */
const NetPolicy *network_recorded_policy(const Network *network);
/* Puts the policy of a new sandbox into force, whose claim is under way. Its record is written. */
void network_open_async(Network *network, const GArray *secrets, GAsyncReadyCallback callback,
                        gpointer data);
gboolean network_open_finish(GAsyncResult *result, GError **error);
/* Begins what has to be done next, if nothing is under way. */
void network_go_on(Network *network);
/* The change that waits fails. */
void network_changes_clear(Network *network);
/* The worker has ended by itself: a change that is under way fails. */
void network_note_loss(Network *network, const char *reason);
/* The worker has said that the traffic is used up. */
void network_note_exhaustion(Network *network);
/* Writes the record, and reports no error: the next write does it. */
void network_write_record(const Network *network);

/* --- network-trust.c --- */

/* Makes the guest trust the certificates of its network, or none if there are none. */
void network_trust_async(Network *network, GAsyncReadyCallback callback, gpointer data);
gboolean network_trust_finish(GAsyncResult *result, GError **error);

/* --- network-watch.c --- */

void network_watches_end(Network *network);

/* --- networks.c --- */

/* cloche-egress is used from now on. */
void networks_start(Core *core);
/* The service stops. */
void networks_stop(Core *core);
/* The administrator's policy has changed. */
void networks_reconfigure(Core *core);
