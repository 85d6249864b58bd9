/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server: cloche's objects on a bus.
 *
 * Every call goes the same way: peers (who calls?), guard and authority (may they?), handler.
 * The tables of interfaces are generated from dbus/org.cloche1.xml; properties are read by calls
 * that pass the guard like all others.
 */
#pragma once

#include <gio/gio.h>

#include "core.h"

typedef struct Server Server;

/*
 * `is_private`: the bus belongs to one user, who may do everything. Then polkit is not consulted,
 * other users are refused, and signals are broadcast.
 */
Server *server_new(GDBusConnection *connection, Core *core, gboolean is_private, GError **error);
void server_free(Server *server);
