/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-connection: the connection to libvirt, which is opened again when it was lost.
 *
 * libvirtd may be restarted while machines run. That ends the connection, but no machine. Events
 * between two connections are missed, so the owner is informed of each new one.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

typedef struct Connection Connection;

/* Called in the main context. */
typedef struct {
    /* A lifecycle event of libvirt: virDomainEventType and its detail. */
    void (*lifecycle)(const char *uuid, int event, int detail, gpointer data);
    /* The connection was lost or was opened: events may have been missed. */
    void (*changed)(gpointer data);
} ConnectionEvents;

/* Opens nothing yet. `is_embedded`: libvirt's driver runs in this process. */
Connection *connection_new(const char *uri, gboolean is_embedded, const ConnectionEvents *events,
                           gpointer data);
/* No event is called afterwards. */
void connection_free(Connection *connection);

/* A new reference to the open connection; opens it if there is none or it was lost. Blocks. Any
 * thread. */
virConnectPtr connection_get(Connection *connection, GError **error);

/* How often the connection was opened. Any thread; takes no lock. */
guint connection_count_openings(Connection *connection);
/* Whether the connection that was opened as number `opening` is open, as far as is known. Any
 * thread; takes no lock. */
gboolean connection_is_still(Connection *connection, guint opening);
