/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * packet-socket: packets with at most one descriptor, on a non-blocking SOCK_SEQPACKET socket.
 *
 * Packets that the peer does not take yet wait in a queue of bounded length. Main context only.
 */
#pragma once

#include <glib.h>

typedef struct PacketSocket PacketSocket;

typedef struct {
    /* A packet; `fd` is its descriptor, which the callee takes, or -1. FALSE: the packet violates
     * the protocol, and the socket is closed. The callee may call packet_socket_free() and return
     * TRUE.
     */
    gboolean (*packet)(const void *packet, gsize size, int fd, gpointer data);
    /* The peer has closed the socket, does not read, or has violated the protocol: no call follows.
     * The callee may call packet_socket_free(). */
    void (*closed)(gpointer data);
} PacketSocketEvents;

/* Takes `fd`. Packets longer than `packet_max` violate the protocol. */
PacketSocket *packet_socket_new(int fd, gsize packet_max, const PacketSocketEvents *events,
                                gpointer data);
/* Closes the socket. NULL: does nothing. */
void packet_socket_free(PacketSocket *socket);

/* Sends a packet, with a descriptor (which is not taken) unless `fd` is -1. */
void packet_socket_send(PacketSocket *socket, const void *packet, gsize size, int fd);
/* How many packets wait because the peer does not read. */
guint packet_socket_waiting(const PacketSocket *socket);
