/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dispatch: the way of a call from the bus to its handler. */
#pragma once

#include "server-private.h"

/* Calls of all objects. Its data is the Server. */
extern const GDBusInterfaceVTable dispatch_vtable;

/* Answers the calls that wait for polkit, because the service stops. */
void dispatch_stop(Server *server);
