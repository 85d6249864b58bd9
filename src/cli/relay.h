/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay: two connections that are one, in both directions, each of which ends by itself. */
#pragma once

#include <gio/gio.h>

/* Lives, in the main loop, until both directions have ended or one has failed. Takes references. */
void relay_start(GSocketConnection *one, GSocketConnection *other);
