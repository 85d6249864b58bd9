/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * egress: cloched's connection to cloche-egress, which gives sandboxes their network.
 *
 * The connection is made in the background, and again when it was lost. cloche-egress parses what
 * guests and the network send, so an attacker may have taken it over: its messages are checked, its
 * texts are cleaned, and it can say something only about the sandbox of a request. Main context
 * only.
 */
#pragma once

#include <gio/gio.h>

#include "egress-protocol.h"

/* The time within which a request ends, with the time that it waits for a connection. */
#define EGRESS_TIMEOUT_S 20u
/* Workers that cloche-egress may list. */
#define EGRESS_WORKERS_MAX 8192u

typedef struct Egress Egress;

/* How cloche-egress is reached. */
typedef struct {
    const char *socket;      /* of the service; NULL: it is started as a child of this process */
    const char *const *argv; /* of the child, without the descriptor */
} EgressAccess;

/* Called in the main context, never inside a function of this file. */
typedef struct {
    /* There is a connection (again). egress_list_async() says which workers there are. Requests
     * that wait for the connection are sent when this returns. */
    void (*connected)(gpointer data);
    /* The connection was lost: what requests under way have changed is unknown. */
    void (*disconnected)(gpointer data);
    /* The worker of a sandbox has ended by itself; `reason` is a line for people. */
    void (*lost)(const char *id, const char *reason, gpointer data);
    /* The traffic that the policy permits is used up. */
    void (*exhausted)(const char *id, gpointer data);
} EgressEvents;

Egress *egress_open(const EgressAccess *access);
/* Sets what is called, and begins to connect. */
void egress_start(Egress *egress, const EgressEvents *events, gpointer data);
/* Requests that have not ended fail. NULL: does nothing. */
void egress_close(Egress *egress);

/* Whether this host has no cloche-egress, so that requests fail. Looks for it again. */
gboolean egress_is_missing(Egress *egress);

/*
 * Requests fail with CLOCHE_ERROR_UNSUPPORTED when this host has no cloche-egress, with
 * CLOCHE_ERROR_BUSY when there is no connection or it was lost, with CLOCHE_ERROR_TIMED_OUT, or
 * with the error of cloche-egress.
 */

/* A policy for a sandbox. Everything is borrowed. */
typedef struct {
    const char *id;
    guint32 owner;
    const EgressSetting *setting;
    int port;           /* the guest's port; -1: the worker has it */
    const int *secrets; /* for each secret of the last layer its file, or -1: it has not changed */
    guint n_secrets;
} EgressOrder;

void egress_set_async(Egress *egress, const EgressOrder *order, GAsyncReadyCallback callback,
                      gpointer data);
/* Returns the certificates of the sandbox's own authority, "" if no request is inspected.
 * *ret_is_exhausted: the traffic that the policy permits is used up already. NULL with an error:
 * unless it is CLOCHE_ERROR_TIMED_OUT or _BUSY, the earlier policy is in force. */
char *egress_set_finish(GAsyncResult *result, gboolean *ret_is_exhausted, GError **error);

/* Ends a worker, and forgets its secrets. Without a connection it does nothing: the worker is in
 * the list of the next one. `egress` may be NULL. */
void egress_remove(Egress *egress, const char *id);
/* The same, and returns when the worker has ended. CLOCHE_ERROR_BUSY if there is no connection. */
void egress_remove_async(Egress *egress, const char *id, GAsyncReadyCallback callback,
                         gpointer data);
gboolean egress_remove_finish(GAsyncResult *result, GError **error);

void egress_traffic_async(Egress *egress, const char *id, GAsyncReadyCallback callback,
                          gpointer data);
gboolean egress_traffic_finish(GAsyncResult *result, EgressTraffic *ret, GError **error);

/* Passes a stream socket, which is borrowed, to the worker of a sandbox. */
gboolean egress_watch(Egress *egress, const char *id, int fd, GError **error);

void egress_list_async(Egress *egress, GAsyncReadyCallback callback, gpointer data);
/* Returns the ids of sandboxes about which cloche-egress knows something → whether a policy is in
 * force, as GINT_TO_POINTER(). */
GHashTable *egress_list_finish(GAsyncResult *result, GError **error);
