/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * deadline: one queue of moments on CLOCK_BOOTTIME, one timer for the earliest.
 *
 * GLib's timeouts stand still while the host sleeps; a sandbox's lifetime does not.
 */
#pragma once

#include <glib.h>

typedef struct Deadlines Deadlines;
typedef struct Deadline Deadline;
typedef void (*DeadlineReached)(gpointer data);

Deadlines *deadlines_new(GError **error);
void deadlines_free(Deadlines *queue);

/* Calls `reached` once at `when_us` (CLOCK_BOOTTIME) or as soon behind it as the loop comes to it.
 * The deadline is over when it is called, and must not be removed any more. */
Deadline *deadline_add(Deadlines *queue, gint64 when_us, DeadlineReached reached, gpointer data);
void deadline_remove(Deadline *deadline);
