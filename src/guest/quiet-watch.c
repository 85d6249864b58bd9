/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quiet-watch: notices a guest that does not answer. */
#include "quiet-watch.h"

#include "util.h"

void
quiet_watch_init(QuietWatch *watch, guint ask_ms, guint give_up_ms, const QuietWatchEvents *events,
                 gpointer data)
{
    *watch =
        (QuietWatch){.ask_ms = ask_ms, .give_up_ms = give_up_ms, .events = events, .data = data};
}

void
quiet_watch_heard(QuietWatch *watch)
{
    watch->asked = FALSE;
    watch->heard_us = util_boottime_us();
}

static gboolean
on_timer(gpointer data)
{
    QuietWatch *watch = data;
    gint64 quiet_ms = (util_boottime_us() - watch->heard_us) / G_TIME_SPAN_MILLISECOND;

    if (watch->stopped || quiet_ms < watch->ask_ms)
        return G_SOURCE_CONTINUE;
    if (watch->asked && quiet_ms >= watch->give_up_ms) {
        watch->timer = 0;
        watch->events->give_up(watch->data);
        return G_SOURCE_REMOVE;
    }
    if (!watch->asked) {
        watch->asked = TRUE;
        watch->events->ask(watch->data);
    }
    return G_SOURCE_CONTINUE;
}

void
quiet_watch_set_due(QuietWatch *watch, gboolean is_due)
{
    if (!is_due) {
        g_clear_handle_id(&watch->timer, g_source_remove);
        return;
    }
    if (watch->timer != 0)
        return;
    quiet_watch_heard(watch);
    watch->timer = g_timeout_add(watch->ask_ms, on_timer, watch);
}

void
quiet_watch_set_stopped(QuietWatch *watch, gboolean is_stopped)
{
    watch->stopped = is_stopped;
    quiet_watch_heard(watch);
}
