/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server: cloche's objects on a bus.
 *
 * Every call goes the same way: who calls? (peers) · may they? (guard) · the handler. The tables of
 * interfaces are generated from dbus/org.cloche1.xml; properties are read by calls like all others,
 * so that nothing is shown that was not asked about.
 */
#pragma once

#include <gio/gio.h>

#include "core.h"

typedef struct Server Server;

/* `broadcasts`: the bus has one user only, and signals may go to everybody on it. */
Server *server_new(GDBusConnection *connection, Core *core, gboolean broadcasts, GError **error);
void server_free(Server *server);
