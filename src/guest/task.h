/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* task: runs one of the agent's built-in tasks (src/agent/builtin.h) and returns its output. */
#pragma once

#include <gio/gio.h>

#include "records.h"
#include "stream.h"

/* `argv` names the task. `user`: NULL for the claim's. `budget`: of the answer, or NULL. Cancelling
 * kills the task. */
void guest_task_async(GuestLink *link, const char *const *argv, const char *user, Budget *budget,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* The output of the task: records.h reads it. */
GBytes *guest_task_finish(GAsyncResult *result, GError **error);
