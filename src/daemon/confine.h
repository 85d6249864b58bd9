/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confine: what the daemon gives up before it serves anybody. */
#pragma once

#include <glib.h>

/* Drops every capability, and makes sure that none is left. Before any thread is started. */
gboolean confine_capabilities(GError **error);
/* From now on all threads, and what they start, may use the system calls of a list of what the
 * daemon needs; all others fail with EPERM. */
gboolean confine_system_calls(GError **error);
