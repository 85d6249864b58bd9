/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meter: a timer, so a quick transfer shows nothing. */
#include "meter.h"

#include "term.h"
#include "text.h"

#define TERMINAL_MS 200
#define LINES_MS 10000

struct Meter {
    char *what;
    guint64 size;
    MeterCount count;
    gpointer data;
    gint64 start_us;
    guint timer;
    TermProgress progress;
};

static gboolean
on_due(gpointer data)
{
    Meter *meter = data;
    guint64 moved = meter->count(meter->data);
    double seconds = (double)(g_get_monotonic_time() - meter->start_us) / G_USEC_PER_SEC;
    g_autofree char *size = text_from_size(moved);
    g_autofree char *rate = text_from_size((guint64)((double)moved / seconds));
    g_autofree char *step = g_strdup_printf("%s, %s/s", size, rate);

    term_progress_show(&meter->progress, meter->what, step,
                       meter->size > 0 ? (double)moved / (double)meter->size : -1);
    return G_SOURCE_CONTINUE;
}

Meter *
meter_new(const char *path, guint64 size, MeterCount count, gpointer data)
{
    Meter *meter = g_new0(Meter, 1);

    meter->what = g_path_get_basename(path); /* to keep the line short */
    meter->size = size;
    meter->count = count;
    meter->data = data;
    meter->start_us = g_get_monotonic_time();
    meter->timer = g_timeout_add(term_is_terminal(stderr) ? TERMINAL_MS : LINES_MS, on_due, meter);
    return meter;
}

void
meter_free(Meter *meter)
{
    if (meter == NULL)
        return;
    g_source_remove(meter->timer);
    term_progress_end(&meter->progress);
    g_free(meter->what);
    g_free(meter);
}
