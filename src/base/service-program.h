/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * service-program: what cloche-vm and cloche-egress have in common as programs.
 *
 * As a service, a program listens on the socket that systemd passes, and serves one user. As a
 * child of cloched, it serves the socket that it inherits, and ends with it. service-peer.h is the
 * other end.
 */
#pragma once

#include <glib.h>

#include "service-listener.h"

typedef struct {
    const char *name; /* for messages */
    GMainLoop *loop;
    int child_fd; /* socket to the parent; -1: a service */
    char *peer;   /* user who may connect to a service; NULL: that of this process */
    uid_t peer_uid;
    int listening; /* of a service */
} ServiceProgram;

void service_program_init(ServiceProgram *program, const char *name);
void service_program_clear(ServiceProgram *program);

/* Parses all arguments. The socket of a child is not inherited any further. FALSE: the error was
 * printed, and the program ends with status 2. */
gboolean service_program_parse(ServiceProgram *program, const GOptionEntry *entries,
                               const char *summary, int argc, char **argv);
/* Finds the user. To be called while the program can read /etc/passwd. */
gboolean service_program_find_peer(ServiceProgram *program, GError **error);
/* Finds the socket that systemd has passed, unless the program is a child. */
gboolean service_program_find_socket(ServiceProgram *program, GError **error);
/* Serves: calls `accept` for each connection, that of a child at once, reports that the program is
 * ready, and runs the main loop. */
void service_program_serve(ServiceProgram *program, ServiceListenerAccept accept, gpointer data);
/* The connection has ended, and with it a child. */
void service_program_connection_ended(const ServiceProgram *program);
