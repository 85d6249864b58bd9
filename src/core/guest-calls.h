/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-calls: programs, tasks of the agent and code in a sandbox, each with an answer. */
#pragma once

#include "context.h"
#include "operation.h"
#include "run.h"

/* Runs a program to its end. `input` (or NULL) is its standard input. All that it started is killed
 * when the caller leaves. */
void core_run_async(Sandbox *sandbox, const GuestStart *start, GBytes *input, GCancellable *caller,
                    GAsyncReadyCallback callback, gpointer data);
GuestRun *core_run_finish(GAsyncResult *result, GError **error);

/* Has the agent do one of its tasks (src/agent/builtin.h) as `user` (NULL: the sandbox's). */
void core_task_async(Sandbox *sandbox, const char *const *argv, const char *user,
                     GCancellable *caller, GAsyncReadyCallback callback, gpointer data);
/* Returns the answer, which a hostile guest wrote: see records.h. */
GBytes *core_task_finish(GAsyncResult *result, GError **error);

/* Executes code in a context of the sandbox. */
void core_execute_async(Sandbox *sandbox, Context *context, const GuestCode *code,
                        GCancellable *caller, GAsyncReadyCallback callback, gpointer data);
GuestExecution *core_execute_finish(GAsyncResult *result, GError **error);
