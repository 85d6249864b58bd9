/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream: a process in the guest, as the host sees it. */
#pragma once

#include "budget.h"
#include "guest-exit.h"
#include "link.h"

typedef struct GuestStream GuestStream;

typedef struct {
    const char *const *argv;
    const char *const *environment; /* NAME=value, or NULL */
    const char *cwd;                /* NULL: the user's home */
    const char *user;               /* NULL: the claim's */
    const char *tag;                /* NULL: none */
    guint64 timeout_ms;             /* 0: none */
    guint32 flags;                  /* START_… */
    guint32 columns, rows;          /* START_TERMINAL */
    Budget *budget;                 /* of the output that guest_run_async() keeps, or NULL */
} GuestStart;

typedef struct {
    void (*started)(GuestStream *stream, guint32 pid, gpointer data);
    /* The receiver calls guest_stream_credit() when it has passed the bytes on. */
    void (*received)(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
                     gpointer data);
    /* The last event, once: how the process ended (`how`), or why it could not start or was lost
     * (`error`). The receiver must call guest_stream_free(). */
    void (*ended)(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data);
    /* All bytes that were queued for this channel have been sent; or NULL. Must not free the
     * stream. */
    void (*written)(GuestStream *stream, WireChannel channel, gpointer data);
    /* No more bytes come from this channel. WIRE_STDIN: the process takes no more; or NULL. */
    void (*closed)(GuestStream *stream, WireChannel channel, gpointer data);
    /* The stream's first process has ended, and output of the stream is still to come; or NULL. */
    void (*reaped)(GuestStream *stream, const GuestExit *how, gpointer data);
} GuestStreamEvents;

/* Starts a process. NULL with an error when the request is too long or too many are open. */
GuestStream *guest_stream_start(GuestLink *link, const GuestStart *start,
                                const GuestStreamEvents *events, gpointer data, GError **error);
/* Attaches to a process that was started with START_KEEP and this tag. Of its other flags, those
 * that determine its channels must be in `flags` (START_CONTROL, START_TERMINAL …). */
GuestStream *guest_stream_attach(GuestLink *link, const char *tag, guint32 flags,
                                 const GuestStreamEvents *events, gpointer data, GError **error);
/* Queues bytes for WIRE_STDIN or WIRE_CONTROL; they are sent as the guest gives credit. */
void guest_stream_write(GuestStream *stream, WireChannel channel, const void *bytes, gsize size);
/* Ends this channel after the bytes that are queued. */
void guest_stream_write_end(GuestStream *stream, WireChannel channel);
/* Bytes that are queued and not sent. */
gsize guest_stream_queued(const GuestStream *stream, WireChannel channel);
/* The host reads this channel no more: writers in the guest get SIGPIPE; a terminal hangs up. */
void guest_stream_stop_reading(GuestStream *stream, WireChannel channel);
void guest_stream_resize(GuestStream *stream, guint32 columns, guint32 rows);
void guest_stream_credit(GuestStream *stream, WireChannel channel, gsize size);
void guest_stream_signal(GuestStream *stream, int signal);
/* From the first interrupt of the runner on this stream to its kill. */
guint guest_stream_grace_s(const GuestStream *stream);
/* Sends SIGKILL to all processes that the stream's process started; `ended` follows. */
void guest_stream_kill(GuestStream *stream);
/* The guest owes nothing on this stream until the host writes again or kills: its silence does not
 * count. */
void guest_stream_set_idle(GuestStream *stream);
/* NULL: the stream is over. */
const GuestLink *guest_stream_link(const GuestStream *stream);
/* Whether the machine is stopped. */
gboolean guest_stream_is_stopped(const GuestStream *stream);
/* Closes the stream, unless it has ended: a process without START_KEEP is killed. NULL is fine. */
void guest_stream_free(GuestStream *stream);
