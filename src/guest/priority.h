/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * priority: new streams go before bulk transfers.
 *
 * Moving bytes into and out of a guest keeps its processors and QEMU's lock busy, so a small
 * command beside a bulk transfer takes many times longer. While a stream is new, streams that have
 * moved WIRE_WINDOW bytes or more send no data and give no credit. The new stream loses its
 * priority when it ends, when it has itself moved that much, or after 100 ms. The next stream gets
 * priority only after bulk transfers have moved another window.
 */
#pragma once

#include <glib.h>

typedef struct {
    gconstpointer newest; /* the stream with priority; NULL: no stream waits */
    guint timer;
    gsize bulk_moved; /* bytes of bulk transfers since a stream last had priority */
    void (*lost)(gpointer data);
    gpointer data;
} Priority;

/* `lost` is called when a stream has lost its priority: the others may go on. */
void priority_init(Priority *priority, void (*lost)(gpointer data), gpointer data);
/* No stream has priority any more; `lost` is not called. */
void priority_stop(Priority *priority);

/* A stream begins. */
void priority_enter(Priority *priority, gconstpointer stream);
/* A stream ends. */
void priority_leave(Priority *priority, gconstpointer stream);
/* A stream moved `size` bytes, and `total` since it began. */
void priority_add_moved(Priority *priority, gconstpointer stream, guint64 total, gsize size);
/* Whether a stream that has moved `total` bytes must wait now. */
gboolean priority_must_wait(const Priority *priority, guint64 total);
