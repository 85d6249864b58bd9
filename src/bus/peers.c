/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peers: the connections that call the service.
 *
 * A peer is known from its first call until it leaves the bus. If it leaves while the bus is
 * queried for its uid, it never becomes known, because the bus returns an error.
 */
#include "peers.h"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct Peers {
    GDBusConnection *connection;
    GHashTable *known; /* name → Peer */
    GHashTable *asked; /* name → UidRequest, while the bus is queried for its uid */
    guint subscription, sweep_source;
    GCancellable *cancellable;
};

typedef struct {
    PeerFound found;
    gpointer data;
} PeerWaiter;

/* A query of the bus for a peer's uid. All calls of the peer that arrive meanwhile wait for the
 * same query, so that they stay in order. */
typedef struct {
    Peers *peers;
    char *name;
    GArray *waiters;
} UidRequest;

Peer *
peer_ref(Peer *peer)
{
    return g_rc_box_acquire(peer);
}

static void
peer_clear(gpointer data)
{
    Peer *peer = data;

    g_free(peer->name);
    g_object_unref(peer->left);
}

void
peer_unref(Peer *peer)
{
    g_rc_box_release_full(peer, peer_clear);
}

static void
forget(Peers *peers, const char *name)
{
    g_autoptr(Peer) peer = NULL;

    if (g_hash_table_steal_extended(peers->known, name, NULL, (gpointer *)&peer))
        g_cancellable_cancel(peer->left);
}

static void
on_owner_changed(GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
    Peers *peers = data;
    const char *name, *before, *now;

    g_variant_get(parameters, "(&s&s&s)", &name, &before, &now);
    if (*now == '\0')
        forget(peers, name);
}

/* --- signals that were lost --- */

typedef struct {
    Peers *peers;
    char **names; /* of the peers that were known when the bus was asked */
} Sweep;

static void
on_names(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Sweep *sweep = data;
    g_auto(GStrv) names = sweep->names;
    g_autofree const char **connected = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, /* error= */ NULL);

    if (!answer) /* without a reply of the bus, or `peers` was freed */
        return;
    g_variant_get(answer, "(^a&s)", &connected);
    for (char **name = names; *name; name++)
        if (!g_strv_contains(connected, *name))
            forget(sweep->peers, *name);
}

/* Queries the bus for all names. */
static gboolean
on_sweep(gpointer data)
{
    Peers *peers = data;
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(peers->known, /* length= */ NULL);
    Sweep *sweep;

    if (g_hash_table_size(peers->known) == 0)
        return G_SOURCE_CONTINUE;
    sweep = g_new(Sweep, 1);
    *sweep = (Sweep){peers, g_strdupv((char **)names)};
    g_dbus_connection_call(peers->connection, BUS, BUS_PATH, BUS, "ListNames",
                           /* parameters= */ NULL, G_VARIANT_TYPE("(as)"), G_DBUS_CALL_FLAGS_NONE,
                           /* timeout= */ -1, peers->cancellable, on_names, sweep);
    return G_SOURCE_CONTINUE;
}

/* --- life --- */

Peers *
peers_new(GDBusConnection *connection)
{
    Peers *peers = g_new0(Peers, 1);

    peers->connection = g_object_ref(connection);
    peers->known = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)peer_unref);
    peers->asked = g_hash_table_new(g_str_hash, g_str_equal);
    peers->cancellable = g_cancellable_new();
    peers->subscription = g_dbus_connection_signal_subscribe(
        connection, BUS, BUS, "NameOwnerChanged", BUS_PATH, /* arg0= */ NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, peers, NULL);
    peers->sweep_source = g_timeout_add_seconds(PEERS_SWEEP_S, on_sweep, peers);
    return peers;
}

void
peers_free(Peers *peers)
{
    if (!peers)
        return;
    g_source_remove(peers->sweep_source);
    g_cancellable_cancel(peers->cancellable);
    g_object_unref(peers->cancellable);
    g_dbus_connection_signal_unsubscribe(peers->connection, peers->subscription);
    g_hash_table_unref(peers->known);
    g_hash_table_unref(peers->asked);
    g_object_unref(peers->connection);
    g_free(peers);
}

/* --- uids --- */

static Peer *
add(Peers *peers, const char *name, guint32 uid)
{
    Peer *peer = g_hash_table_lookup(peers->known, name);

    if (peer)
        return peer;
    peer = g_rc_box_new0(Peer);
    peer->name = g_strdup(name);
    peer->viewer.uid = uid;
    peer->left = g_cancellable_new();
    g_hash_table_insert(peers->known, peer->name, peer);
    return peer;
}

static void
on_uid(GObject *source, GAsyncResult *result, gpointer data)
{
    UidRequest *request = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_autoptr(Peer) peer = NULL;
    guint32 uid;

    if (answer) {
        g_variant_get(answer, "(u)", &uid);
        peer = peer_ref(add(request->peers, request->name, uid));
    }
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) /* else `peers` was freed */
        g_hash_table_remove(request->peers->asked, request->name);
    for (guint i = 0; i < request->waiters->len; i++) {
        const PeerWaiter *waiter = &g_array_index(request->waiters, PeerWaiter, i);

        waiter->found(peer, waiter->data);
    }
    g_array_unref(request->waiters);
    g_free(request->name);
    g_free(request);
}

static UidRequest *
ask(Peers *peers, const char *name)
{
    UidRequest *request = g_new0(UidRequest, 1);

    request->peers = peers;
    request->name = g_strdup(name);
    request->waiters = g_array_new(FALSE, FALSE, sizeof(PeerWaiter));
    g_hash_table_insert(peers->asked, request->name, request);
    g_dbus_connection_call(peers->connection, BUS, BUS_PATH, BUS, "GetConnectionUnixUser",
                           g_variant_new("(s)", name), G_VARIANT_TYPE("(u)"),
                           G_DBUS_CALL_FLAGS_NONE, /* timeout= */ -1, peers->cancellable, on_uid,
                           request);
    return request;
}

void
peers_find(Peers *peers, const char *name, PeerFound found, gpointer data)
{
    const PeerWaiter waiter = {found, data};
    UidRequest *request = g_hash_table_lookup(peers->asked, name);

    if (!request)
        request = ask(peers, name);
    g_array_append_val(request->waiters, waiter);
}

const Peer *
peers_lookup(const Peers *peers, const char *name)
{
    return g_hash_table_lookup(peers->known, name);
}

Peer *
peers_ref(Peers *peers, const char *name)
{
    Peer *peer = g_hash_table_lookup(peers->known, name);

    return peer ? peer_ref(peer) : NULL;
}

void
peers_foreach(Peers *peers, PeerFound each, gpointer data)
{
    GHashTableIter iter;
    gpointer peer;

    g_hash_table_iter_init(&iter, peers->known);
    while (g_hash_table_iter_next(&iter, NULL, &peer))
        each(peer, data);
}
