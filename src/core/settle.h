/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settle: calls that wait until the machine of a sandbox has been adopted, or runs after a pause.
 */
#pragma once

#include <gio/gio.h>

#include "sandbox.h"

/* A call waits no longer than this. */
#define SETTLE_WAIT_S 5
/* Calls that may wait for one sandbox. */
#define SETTLE_CALLS_MAX 64

/* Whether calls may use the machine: FALSE after a restart until it has answered, and after a pause
 * until it runs. Of a paused sandbox: whether its machine is known, so that it can be resumed. */
gboolean core_is_settled(const Sandbox *sandbox);
/* Finishes when the sandbox is settled or has ended: look it up again. CLOCHE_ERROR_BUSY after
 * SETTLE_WAIT_S, or if too many wait. */
void core_settle_async(Core *core, const char *id, GAsyncReadyCallback callback, gpointer data);
gboolean core_settle_finish(GAsyncResult *result, GError **error);

/* The sandbox is settled or has ended: its calls go on. */
void settle_wake(Core *core, const char *id);
