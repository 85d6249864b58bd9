/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* running-timer: a timer that advances only while the guest's machine runs. */
#include "running-timer.h"

#include "link-private.h"
#include "util.h"

/* Between looks at a machine that is stopped. */
#define STOPPED_MS 1000u

static gint64
running_us(const GuestLink *link)
{
    return util_boottime_us() - (link ? link_stopped_us(link) : 0);
}

static void
on_time(gpointer data)
{
    RunningTimer *timer = data;
    gint64 left_us = timer->limit_us - (running_us(timer->link) - timer->begin_us);
    guint64 left_ms = left_us > 0 ? (guint64)left_us / 1000 + 1 : 0;

    timer->source = 0;
    if (left_ms == 0) {
        timer->function(timer->data);
        return;
    }
    if (timer->link && link_is_stopped(timer->link))
        left_ms = MAX(left_ms, STOPPED_MS);
    timer->source = util_timeout_add(left_ms, on_time, timer);
}

void
running_timer_set(RunningTimer *timer, const GuestLink *link, guint64 ms, GSourceOnceFunc function,
                  gpointer data)
{
    running_timer_clear(timer);
    timer->link = link;
    timer->begin_us = running_us(link);
    timer->limit_us = (gint64)MIN(ms, (guint64)G_MAXINT64 / 1000) * 1000;
    timer->function = function;
    timer->data = data;
    timer->source = util_timeout_add(ms, on_time, timer);
}

void
running_timer_clear(RunningTimer *timer)
{
    g_clear_handle_id(&timer->source, g_source_remove);
}
