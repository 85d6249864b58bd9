/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* task: the agent's own tasks (src/agent/builtin.h) whose answers are small. */
#pragma once

#include <gio/gio.h>

#include "stream.h"
#include "records.h"

/* `user`: NULL for the claim's. Cancelling kills it. */
void guest_task_async(GuestLink *link, const char *const *argv, const char *user,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* All that it wrote. */
GBytes *guest_task_finish(GAsyncResult *result, GError **error);
