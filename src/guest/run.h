/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: executes a program in the guest and collects its output. */
#pragma once

#include "output.h"
#include "stream.h"

typedef struct {
    guint32 pid;
    GuestExit exit;
    GuestOutput out, err;
    gint64 duration_us;
} GuestRun;

void guest_run_free(GuestRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestRun, guest_run_free)

/*
 * Starts a program and finishes when it has ended. `input` is its standard input (NULL: empty).
 * Cancelling kills the program and all processes that it started.
 */
void guest_run_async(GuestLink *link, const GuestStart *start, GBytes *input,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GuestRun *guest_run_finish(GAsyncResult *result, GError **error);
