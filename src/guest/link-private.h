/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link-private: the functions of a link for the files that add streams and requests to it. */
#pragma once

#include "exchanges.h"
#include "large-frames.h"
#include "link.h"
#include "stream-table.h"

/* A stream or request number that was not used in this connection. */
guint32 link_next_number(GuestLink *link);

/*
 * Adds a stream and sends the frame that opens it; `size` is what wire_frame_end() returned, and
 * `channels` are those on which the guest may send (exchanges.h). An answer is due. FALSE with
 * CLOCHE_ERROR_GUEST_LOST, CLOCHE_ERROR_INVALID_ARGUMENT (the frame is too long) or
 * CLOCHE_ERROR_BUSY (too many streams, or too many unsent bytes), or CLOCHE_ERROR_QUOTA_EXCEEDED
 * (the owner's budget has no room for unsent bytes).
 */
gboolean link_add_stream(GuestLink *link, LinkStream *stream, guint channels, const guint8 *frame,
                         ptrdiff_t size, GError **error);
void link_remove_stream(GuestLink *link, LinkStream *stream);
/* Whether the guest owes something on this stream, so that its silence counts. */
void link_set_due(GuestLink *link, LinkStream *stream, gboolean is_due);

/* Whether the machine is stopped, and for how long it was in all. */
gboolean link_is_stopped(const GuestLink *link);
gint64 link_stopped_us(const GuestLink *link);

/* The version of the protocol that the agent speaks; 0: it has not greeted. */
guint32 link_version(const GuestLink *link);

/* Sends a request that starts no process, and waits for OK or ERROR: a task that returns a boolean.
 */
void link_send_request(GuestLink *link, WireWriter *w, WireType type, GAsyncReadyCallback callback,
                       gpointer data);

/* For the runners behind the link. */
Slots *link_large_frames(const GuestLink *link);
guint link_grace_s(const GuestLink *link);

/* Sends a frame that wire_frame_end() finished. */
void link_send(GuestLink *link, const guint8 *frame, gsize size);
/* The stream may have something to send: the link calls send_next() in its turn. */
void link_wake(GuestLink *link, LinkStream *stream);
/* The stream moved `size` bytes more. */
void link_add_moved(GuestLink *link, LinkStream *stream, gsize size);
/* Whether the stream must send no data and give no credit now (priority.h). */
gboolean link_must_wait(const GuestLink *link, const LinkStream *stream);
