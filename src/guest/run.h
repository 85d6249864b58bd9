/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: a program in the guest, from its start to its end, with all that it wrote. */
#pragma once

#include "stream.h"
#include "output.h"

typedef struct {
    guint32 pid;
    GuestExit exit;
    GuestOutput out, err;
    gint64 duration_us;
} GuestRun;

void guest_run_free(GuestRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestRun, guest_run_free)

/*
 * Starts it and finishes when it has ended. `input` (NULL: empty) is its standard input. Cancelling
 * kills all that it started.
 */
void guest_run_async(GuestLink *link, const GuestStart *start, GBytes *input,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GuestRun *guest_run_finish(GAsyncResult *result, GError **error);
