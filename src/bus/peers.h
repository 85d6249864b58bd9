/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peers: the connections that call the service: their uids, and when they leave the bus. */
#pragma once

#include <gio/gio.h>

#include "core.h"

typedef struct {
    char *name;         /* unique name */
    Viewer viewer;      /* sees_all: polkit permitted it to list all sandboxes; reset on changes */
    gboolean may_use;   /* polkit permitted it to use its own sandboxes; reset on changes */
    GCancellable *left; /* cancelled when it leaves the bus */
} Peer;

Peer *peer_ref(Peer *peer);
void peer_unref(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_unref)

/* The bus drops signals to a connection with more than 64 unread descriptors, which any user can
 * cause for a moment. So it is asked after this time which peers are still there. */
#define PEERS_SWEEP_S 60

typedef struct Peers Peers;

Peers *peers_new(GDBusConnection *connection);
void peers_free(Peers *peers);

/* Asks the bus for a peer by its unique name. Calls `found` with it, or with NULL if it has left.
 */
typedef void (*PeerFound)(Peer *peer, gpointer data);
void peers_find(Peers *peers, const char *name, PeerFound found, gpointer data);
/* Returns NULL if the peer has not called yet, or has left the bus. */
const Peer *peers_lookup(const Peers *peers, const char *name);
/* The same as a new reference. */
Peer *peers_ref(Peers *peers, const char *name);
/* Calls `each` for all peers that have called. `each` must not call functions of this file. */
void peers_foreach(Peers *peers, PeerFound each, gpointer data);
