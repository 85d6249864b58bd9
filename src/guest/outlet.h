/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * outlet: a descriptor into which bytes of the guest are written.
 *
 * The outlet writes what the descriptor takes, reports how much that was, and keeps the rest. The
 * guest's windows bound what it keeps. Without a descriptor it keeps the last OUTLET_KEPT_MAX
 * bytes.
 */
#pragma once

#include <glib.h>

#define OUTLET_KEPT_MAX (256u * 1024)

typedef struct Outlet Outlet;

typedef struct {
    /* `size` more bytes were written or discarded. */
    void (*passed)(Outlet *outlet, gsize size, gpointer data);
    /* The reader has closed its end; the descriptor is closed. */
    void (*left)(Outlet *outlet, gpointer data);
    /* The outlet has ended, and everything was written or has no reader any more. */
    void (*over)(Outlet *outlet, gpointer data);
} OutletEvents;

/* `keeps`: bytes without a reader are kept, within the bound; otherwise they are discarded. */
Outlet *outlet_new(gboolean keeps, const OutletEvents *events, gpointer data);
/* Closes the descriptor. NULL is fine. */
void outlet_free(Outlet *outlet);
/* Takes a non-blocking descriptor, which replaces the previous one. `is_complete_stream`: it is the
 * writer of a complete stream. */
void outlet_connect(Outlet *outlet, int fd, gboolean is_complete_stream);
void outlet_add(Outlet *outlet, const guint8 *bytes, gsize size);
/* No more bytes come. The reader gets the bytes that are kept and then the end. Unless `all_came`,
 * a complete stream ends with ECONNRESET. */
void outlet_end(Outlet *outlet, gboolean all_came);
gboolean outlet_is_over(const Outlet *outlet);
/* The bytes that are kept, as text: a new string. */
char *outlet_dup_text(const Outlet *outlet);
/* Bytes without a reader were discarded. */
gboolean outlet_has_lost(const Outlet *outlet);
