/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-connection: the connection to libvirt, which is opened again when it was lost. */
#include "vm-connection.h"

#include "vm-error.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3

struct Connection {
    char *uri;
    gboolean is_embedded;
    const ConnectionEvents *events;
    gpointer data;

    GMutex lock; /* held while the connection is opened; guards the next member */
    virConnectPtr libvirt;
    guint openings; /* atomic */
    gint is_lost;   /* atomic; libvirtd went away: open the connection again before the next use */
};

Connection *
connection_new(const char *uri, gboolean is_embedded, const ConnectionEvents *events, gpointer data)
{
    Connection *connection = g_new0(Connection, 1);

    connection->uri = g_strdup(uri);
    connection->is_embedded = is_embedded;
    connection->events = events;
    connection->data = data;
    g_mutex_init(&connection->lock);
    return connection;
}

static int
on_lifecycle(virConnectPtr libvirt, virDomainPtr domain, int event, int detail, void *opaque)
{
    const Connection *connection = opaque;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(domain, uuid) == 0)
        connection->events->lifecycle(uuid, event, detail, connection->data);
    return 0;
}

/* Takes no lock: a worker may hold the lock while it connects, and the main context must not wait.
 */
static void
on_closed(virConnectPtr libvirt, int reason, void *opaque)
{
    Connection *connection = opaque;

    g_atomic_int_set(&connection->is_lost, TRUE);
    connection->events->changed(connection->data);
}

static gboolean
on_opened(gpointer data)
{
    const Connection *connection = data;

    connection->events->changed(connection->data);
    return G_SOURCE_REMOVE;
}

static void
close_connection(Connection *connection)
{
    if (!connection->libvirt)
        return;
    virConnectUnregisterCloseCallback(connection->libvirt, on_closed);
    virConnectClose(connection->libvirt);
    connection->libvirt = NULL;
}

static gboolean
open_connection(Connection *connection, GError **error)
{
    connection->libvirt = virConnectOpen(connection->uri);
    if (!connection->libvirt)
        return vm_error_set(error, "cannot open '%s'", connection->uri);
    if (virConnectDomainEventRegisterAny(
            connection->libvirt, /* domain= */ NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), connection, NULL) < 0) {
        vm_error_set(error, "cannot receive events of '%s'", connection->uri);
        close_connection(connection);
        return FALSE;
    }
    /* A driver in this process has neither and needs neither. */
    if (!connection->is_embedded) {
        virConnectRegisterCloseCallback(connection->libvirt, on_closed, connection, NULL);
        virConnectSetKeepAlive(connection->libvirt, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
    }
    g_atomic_int_inc(&connection->openings);
    return TRUE;
}

/* Sends a request, because the connection may be dead before on_closed() is called. */
static gboolean
is_alive(Connection *connection)
{
    unsigned long version;

    return connection->libvirt && !g_atomic_int_get(&connection->is_lost) &&
           virConnectGetLibVersion(connection->libvirt, &version) == 0;
}

virConnectPtr
connection_get(Connection *connection, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&connection->lock);

    if (!is_alive(connection)) {
        close_connection(connection);
        g_atomic_int_set(&connection->is_lost, FALSE);
        if (!open_connection(connection, error)) {
            g_atomic_int_set(&connection->is_lost, TRUE);
            return NULL;
        }
        g_idle_add(on_opened, connection);
    }
    virConnectRef(connection->libvirt);
    return connection->libvirt;
}

guint
connection_count_openings(Connection *connection)
{
    return g_atomic_int_get(&connection->openings);
}

gboolean
connection_is_still(Connection *connection, guint opening)
{
    return connection_count_openings(connection) == opening &&
           !g_atomic_int_get(&connection->is_lost);
}

void
connection_free(Connection *connection)
{
    if (!connection)
        return;
    while (g_idle_remove_by_data(connection))
        ;
    close_connection(connection);
    g_mutex_clear(&connection->lock);
    g_free(connection->uri);
    g_free(connection);
}
