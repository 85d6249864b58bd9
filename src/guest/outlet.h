/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * outlet: bytes of the guest on their way into a descriptor that somebody else reads.
 *
 * It writes what the descriptor takes, and says how much that was; the rest it keeps, which whoever
 * feeds it bounds by giving windows. Without a descriptor it keeps the last OUTLET_KEPT_MAX bytes.
 */
#pragma once

#include <glib.h>

#define OUTLET_KEPT_MAX (256u * 1024)

typedef struct Outlet Outlet;

typedef struct {
    /* So many bytes more were taken, or thrown away. */
    void (*passed)(Outlet *outlet, gsize size, gpointer data);
    /* Nobody reads the descriptor any more; it is closed. */
    void (*left)(Outlet *outlet, gpointer data);
    /* It has ended, and all was taken or nobody takes it. */
    void (*over)(Outlet *outlet, gpointer data);
} OutletEvents;

/* `keeps`: what nobody reads is kept, as it says above; else it is thrown away. */
Outlet *outlet_new(gboolean keeps, const OutletEvents *events, gpointer data);
/* Closes the descriptor. NULL is fine. */
void outlet_free(Outlet *outlet);
/* Takes a non-blocking descriptor, in place of the one before. `is_whole`: it is of whole_open().
 */
void outlet_connect(Outlet *outlet, int fd, gboolean is_whole);
void outlet_add(Outlet *outlet, const guint8 *bytes, gsize size);
/* Nothing comes any more; the reader gets what is kept, and then the end: as of something cut off,
 * if it is of whole_open() and not `all_came`. */
void outlet_end(Outlet *outlet, gboolean all_came);
gboolean outlet_is_over(const Outlet *outlet);
/* What is kept, as text: a new string. */
char *outlet_dup_text(const Outlet *outlet);
/* Something that nobody read was thrown away. */
gboolean outlet_has_lost(const Outlet *outlet);
