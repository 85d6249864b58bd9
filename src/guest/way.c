/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * way: who has just begun goes before bulk.
 *
 * Moving bytes into a guest and out of it keeps its processors and QEMU's one lock so busy that a
 * small command beside it takes many times its time. So while a stream is new, those that have
 * moved much send nothing and give no credit: until it ends or has moved as much, for WAY_MS at
 * most, and not again before they have moved another window.
 */
#include "link-private.h"

#define WAY_MS 100

static void
go_on(GuestLink *link)
{
    g_autoptr(GList) numbers = g_hash_table_get_keys(link->streams);

    for (GList *l = numbers; l; l = l->next) {
        GuestStream *stream = g_hash_table_lookup(link->streams, l->data);

        if (stream)
            stream_go_on(stream);
    }
}

static gboolean
on_timer(gpointer data)
{
    GuestLink *link = data;

    link->way_timer = 0;
    way_leave(link, link->newest);
    return G_SOURCE_REMOVE;
}

void
way_enter(GuestLink *link, const GuestStream *stream)
{
    if (link->newest || link->bulk_moved < WIRE_WINDOW)
        return;
    link->newest = stream;
    link->bulk_moved = 0;
    link->way_timer = g_timeout_add(WAY_MS, on_timer, link);
}

void
way_leave(GuestLink *link, const GuestStream *stream)
{
    if (link->newest != stream)
        return;
    g_clear_handle_id(&link->way_timer, g_source_remove);
    link->newest = NULL;
    if (!link->dead)
        go_on(link);
}

gboolean
way_is_taken(const GuestLink *link, guint64 moved)
{
    return link->newest && moved >= WIRE_WINDOW;
}

void
way_moved(GuestLink *link, const GuestStream *stream, guint64 moved, gsize size)
{
    if (moved < WIRE_WINDOW)
        return;
    link->bulk_moved += size;
    way_leave(link, stream);
}
