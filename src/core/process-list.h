/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-list: all programs of a sandbox, and the process objects to which they belong. */
#pragma once

#include "process.h"

/* A program that runs in the guest, or a process that has ended. */
typedef struct {
    GuestProgram program;   /* unless has_ended */
    const Process *process; /* NULL: the program belongs to no process that a caller started */
    gboolean has_ended;
} ProcessListEntry;

void core_list_programs_async(Sandbox *sandbox, GCancellable *caller, GAsyncReadyCallback callback,
                              gpointer data);
/* Returns an array of ProcessListEntry, which is valid until the main loop runs again: programs
 * that run, then processes that have ended. */
GArray *core_list_programs_finish(GAsyncResult *result, GError **error);
