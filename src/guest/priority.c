/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* priority: new streams go before bulk transfers. */
#include "priority.h"

#include "wire.h"

#define PRIORITY_MS 100

void
priority_init(Priority *priority, void (*lost)(gpointer data), gpointer data)
{
    *priority = (Priority){.lost = lost, .data = data};
}

void
priority_stop(Priority *priority)
{
    g_clear_handle_id(&priority->timer, g_source_remove);
    priority->newest = NULL;
}

static gboolean
on_timer(gpointer data)
{
    Priority *priority = data;

    priority->timer = 0;
    priority_leave(priority, priority->newest);
    return G_SOURCE_REMOVE;
}

void
priority_enter(Priority *priority, gconstpointer stream)
{
    if (priority->newest || priority->bulk_moved < WIRE_WINDOW)
        return;
    priority->newest = stream;
    priority->bulk_moved = 0;
    priority->timer = g_timeout_add(PRIORITY_MS, on_timer, priority);
}

void
priority_leave(Priority *priority, gconstpointer stream)
{
    if (!priority->newest || priority->newest != stream)
        return;
    priority_stop(priority);
    priority->lost(priority->data);
}

void
priority_add_moved(Priority *priority, gconstpointer stream, guint64 total, gsize size)
{
    if (total < WIRE_WINDOW)
        return;
    priority->bulk_moved += size;
    priority_leave(priority, stream);
}

gboolean
priority_must_wait(const Priority *priority, guint64 total)
{
    return priority->newest && total >= WIRE_WINDOW;
}
