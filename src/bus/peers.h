/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peers: who is at the other end of the bus: its uid, and when it leaves. */
#pragma once

#include <gio/gio.h>

#include "core.h"

typedef struct {
    char *name;         /* unique name */
    Viewer viewer;      /* sees_all: polkit said so, and has not changed its mind */
    gboolean may_use;   /* the same, of its own sandboxes */
    GCancellable *left; /* cancelled when it leaves the bus */
} Peer;

Peer *peer_ref(Peer *peer);
void peer_unref(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_unref)

typedef struct Peers Peers;

Peers *peers_new(GDBusConnection *connection);
void peers_free(Peers *peers);

/* Calls `found` with the peer when the bus has given its uid; with NULL when it has left. */
typedef void (*PeerFound)(Peer *peer, gpointer data);
void peers_find(Peers *peers, const char *name, PeerFound found, gpointer data);
/* NULL: it has not called yet, or has left. */
const Peer *peers_lookup(const Peers *peers, const char *name);
/* The same as a new reference. */
Peer *peers_ref(Peers *peers, const char *name);
/* For all that have called: `each` must not come back here. */
void peers_foreach(Peers *peers, PeerFound each, gpointer data);
