/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * windows: how much each connection may be sent before it has read it.
 *
 * The bus keeps messages that a connection does not read, counts their bytes and descriptors
 * against the sender, and reads nothing more from a sender whose limit is reached. So a connection
 * that does not read could silence the service for all users. Each connection has a window. When
 * half of it is used, the service calls org.freedesktop.DBus.Peer.Ping of the connection: an answer
 * shows that all messages before the call were read. While a window is closed, messages wait here,
 * and the calls of the connection are not begun (turns.h).
 *
 * The limits of dbus/org.cloche1.conf are larger than what all windows together permit.
 */
#pragma once

#include "peers.h"

/* Sent to one connection and not known to be read. A connection that has read everything may always
 * be sent a message of WINDOW_FIRST_SIZE, or a larger one if its user has room for it. */
#define WINDOW_SIZE (4u * 1024 * 1024) /* bytes */
#define WINDOW_FDS 48u                 /* the bus drops messages to a connection with 64 */
#define WINDOW_FIRST_SIZE (64u * 1024)
/* The same for all connections of a user, and for all users. */
#define WINDOW_USER_SIZE (24u * 1024 * 1024)
#define WINDOW_USER_FDS 256u
#define WINDOW_ALL_SIZE (256u * 1024 * 1024)
#define WINDOW_ALL_FDS 2048u
/* Bytes of messages that wait for the windows of a user. Beyond it, an answer is replaced by
 * CLOCHE_ERROR_BUSY, and a signal is dropped. */
#define WINDOW_WAITING_SIZE (32u * 1024 * 1024)
#define WINDOW_WAITING_MAX 2048u /* messages to one connection */
/* Calls of Ping that are not answered. The bus bounds those of a connection, and all are ours. */
#define WINDOW_USER_PINGS 4u
#define WINDOW_ALL_PINGS 48u

/* While GDBus' thread has this number of messages to write, no call is begun: it writes the answers
 * for all connections one after the other. */
#define WINDOWS_QUEUED_MAX 32

typedef struct Windows Windows;

/* `opened`: a window has room again. `is_private`: all connections are of one user,
 * and all windows are open. */
Windows *windows_new(GDBusConnection *connection, gboolean is_private,
                     void (*opened)(gpointer data), gpointer data);
Windows *windows_ref(Windows *windows);
void windows_unref(Windows *windows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Windows, windows_unref)
/* Sends what waits, whether it is read or not: the service stops. */
void windows_stop(Windows *windows);

/* Sends the message to the peer, at once or when its window has room. Takes the message. */
void windows_send(Windows *windows, Peer *peer, GDBusMessage *message);
/* Counts bytes of answers that were sent to the peer without windows_send(). */
void windows_count(Windows *windows, Peer *peer, gsize bytes);
/* Whether windows_send() has sent the message. Any thread may call it. */
gboolean windows_has_counted(GDBusMessage *message);
/* GDBus writes a message of windows_send(). TRUE: calls may be begun again. The same. */
gboolean windows_note_written(Windows *windows);
/* Whether a new call of the peer may be begun. */
gboolean windows_is_open(const Windows *windows, const Peer *peer);
