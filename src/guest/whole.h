/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * whole: a stream whose reader learns whether it was whole.
 *
 * A pipe's reader cannot tell the end of what was sent from the end of who sent it. The kernel
 * tells the reader of a socket ECONNRESET, behind all data, when the other end was closed with
 * something unread in it. So a byte lies there from the beginning, and is taken out by whoever has
 * sent all: a writer that fails, or dies, need do nothing.
 */
#pragma once

#include <glib.h>

/* Two ends: bytes go from the writer to the reader only. Both block. */
gboolean whole_open(int *ret_writer, int *ret_reader, GError **error);
/* All was sent; the writer is still to be closed. */
void whole_finish(int writer);
