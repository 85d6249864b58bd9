/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * service-listener: the socket of a service of systemd, to which one user may connect.
 *
 * service-peer.h is the other end.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Finds the uid of the user `name`; NULL: that of this process. */
gboolean service_listener_find_user(const char *name, uid_t *ret_uid, GError **error);

/* Returns the listening SOCK_SEQPACKET socket that systemd has passed, or -1 with an error, which
 * names the program. */
int service_listener_find_socket(const char *program, GError **error);

/* Gets a connection, which it takes: a non-blocking socket. */
typedef void (*ServiceListenerAccept)(int fd, gpointer data);

/* Accepts connections of the user `uid` on the socket, and closes those of others, as long as the
 * process lives. */
void service_listener_serve(int listening, uid_t uid, ServiceListenerAccept accept, gpointer data);
