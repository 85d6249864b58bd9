/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * deadline: a queue of points in time on CLOCK_BOOTTIME, and one timer for the earliest.
 *
 * GLib's timeouts stop while the host is suspended; the lifetime of a sandbox does not.
 */
#pragma once

#include <glib.h>

typedef struct Deadlines Deadlines;
typedef struct Deadline Deadline;
typedef void (*DeadlineReached)(gpointer data);

Deadlines *deadlines_new(GError **error);
void deadlines_free(Deadlines *queue);

/* Calls `reached` once, at `when_us` (CLOCK_BOOTTIME) or as soon after it as the main loop runs.
 * Then the deadline is freed, and must not be removed. */
Deadline *deadline_add(Deadlines *queue, gint64 when_us, DeadlineReached reached, gpointer data);
void deadline_remove(Deadline *deadline);
