/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wake: what begins to run again in a sandbox that was restored from a snapshot. */
#pragma once

#include "sandbox.h"

/*
 * Takes up the contexts and the kept processes of a sandbox that is claimed and registered, gives
 * its interpreters new randomness and this environment, lets its processes continue, and records
 * that it has begun. The sandbox may end meanwhile: CLOCHE_ERROR_GUEST_LOST.
 */
void wake_async(Core *core, const Sandbox *sandbox, const char *const *environment,
                GAsyncReadyCallback callback, gpointer data);
gboolean wake_finish(GAsyncResult *result, GError **error);

/* Lets the processes of a sandbox continue, whether they stand still or not: the previous instance
 * of the service may have stopped them for a snapshot. */
void wake_anyway(const Sandbox *sandbox);
/* Takes up what the agent's task "kept" has listed: runners of contexts, and processes. */
void wake_kept(Sandbox *sandbox, GBytes *answer);
