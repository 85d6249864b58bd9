/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server: cloche's objects on a bus.
 *
 * Every call goes the same way: who calls? (peers) · may they? (guard, authority) · the handler.
 * The tables of interfaces are generated from dbus/org.cloche1.xml; properties are read by calls
 * like all others, so that nothing is shown that was not asked about.
 */
#pragma once

#include <gio/gio.h>

#include "core.h"

typedef struct Server Server;

/*
 * `is_private`: the bus has one user only, who may do everything: polkit is not asked, nobody else
 * is served, and signals go to everybody on it.
 */
Server *server_new(GDBusConnection *connection, Core *core, gboolean is_private, GError **error);
void server_free(Server *server);
