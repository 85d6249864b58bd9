/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * service-peer: the other end of a client's socket: a service of systemd, or a child.
 *
 * The child gets its end of a socket pair as a descriptor, and ends when that socket is closed.
 */
#pragma once

#include <glib.h>

typedef struct ServicePeer ServicePeer;

typedef struct {
    const char *name;              /* for messages: "cloche-vm" */
    const char *socket;            /* of the service, SOCK_SEQPACKET; NULL: a child */
    const char *const *argv;       /* of the child */
    const char *descriptor_option; /* "--socket-fd=": the number of the descriptor is appended */
} ServiceAccess;

/* Copies `access`. */
ServicePeer *service_peer_new(const ServiceAccess *access);
void service_peer_free(ServicePeer *peer);

/* Connects to the service, or starts the child: a new socket, or -1 with an error. An earlier child
 * must have ended. *ret_is_missing (or NULL): there is no such service or program. */
int service_peer_connect(ServicePeer *peer, gboolean *ret_is_missing, GError **error);
/* The path of the service's socket, or of the program: missing is what does not exist. */
const char *service_peer_path(const ServicePeer *peer);
