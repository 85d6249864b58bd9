/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay: two connections joined into one. Each direction ends by itself. */
#pragma once

#include <gio/gio.h>

/* Passes bytes on in the main loop until both directions have ended or one has failed. Takes
 * references to the connections. */
void relay_start(GSocketConnection *one, GSocketConnection *other);
