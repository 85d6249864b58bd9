/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confine: drops capabilities and filters system calls of the daemon, before it serves callers. */
#pragma once

#include <glib.h>

/* Drops every capability and checks that none is left. Call it before any thread is started. */
gboolean confine_capabilities(GError **error);
/* Restricts all threads, and the programs that they start, to the system calls that the daemon
 * needs. All others fail with EPERM. */
gboolean confine_system_calls(GError **error);
