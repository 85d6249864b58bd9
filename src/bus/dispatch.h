/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dispatch: the way of a call from the bus to its handler. */
#pragma once

#include "server-private.h"

/* Calls of a user that are begun and not answered, of methods that may wait. */
#define DISPATCH_LASTING_MAX 1024u

/* Calls of the objects of a subtree, and of those that are registered alone. The data of both is
 * the Server. GDBus needs two rounds of the main loop for a call of a subtree, and one for others.
 * The second table adds one, so that the calls of a connection stay in order, whatever they call.
 */
extern const GDBusInterfaceVTable dispatch_vtable, dispatch_object_vtable;
/* How the calls that have waited are begun; the same. */
extern const TurnsEvents dispatch_turns;

/* Answers the calls that wait for polkit, because the service stops. */
void dispatch_stop(Server *server);
