/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * running-timer: a timer that advances only while the guest's machine runs.
 *
 * A limit for code in a guest would otherwise pass while the sandbox is paused, when the code can
 * do nothing.
 */
#pragma once

#include "link.h"

typedef struct {
    const GuestLink *link;
    gint64 begin_us; /* CLOCK_BOOTTIME, less the time for which the machine was stopped */
    gint64 limit_us;
    guint source; /* 0: it is not set */
    GSourceOnceFunc function;
    gpointer data;
} RunningTimer;

/* Calls `function` once, when the machine has run for `ms` milliseconds more. The link must live
 * until then, or until the timer is cleared. NULL: the stream to the guest is over. */
void running_timer_set(RunningTimer *timer, const GuestLink *link, guint64 ms,
                       GSourceOnceFunc function, gpointer data);
void running_timer_clear(RunningTimer *timer);
