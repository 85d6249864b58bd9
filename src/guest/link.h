/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link: one connection to one agent, and the streams on it.
 *
 * All that arrives is hostile. A frame that breaks the protocol ends the link, and `lost` says so;
 * nothing is guessed or repaired. Everything runs in the thread's default main context.
 */
#pragma once

#include <gio/gio.h>

#include "wire.h"

typedef struct GuestLink GuestLink;
typedef struct GuestStream GuestStream;

typedef enum {
    GUEST_GONE,           /* the channel closed: its machine went away */
    GUEST_HUNG,           /* no answer for GUEST_HUNG_S */
    GUEST_BROKE_PROTOCOL, /* it sent what no agent sends */
} GuestLoss;

/* Silence, while an answer is due, after which the agent is asked, and after which it is given up.
 */
#define GUEST_QUIET_S 5
#define GUEST_HUNG_S 20

/* Called once. Nothing is sent or heard any more; guest_link_close() or _free() is due, and tells
 * all that wait. */
typedef void (*GuestLost)(GuestLink *link, GuestLoss why, const char *message, gpointer data);

/* Takes `fd`, a non-blocking stream socket. */
GuestLink *guest_link_new(int fd, GuestLost lost, gpointer data);
/* Closes the connection, if it is not yet. All streams and requests end with
 * CLOCHE_ERROR_GUEST_LOST and the message `why`, and so do those that come later; `lost` is not
 * called any more. */
void guest_link_close(GuestLink *link, const char *why);
/* Closes and frees it. NULL is fine. */
void guest_link_free(GuestLink *link, const char *why);
/* The same for a sandbox that goes on without this process: with CLOCHE_ERROR_SERVICE_STOPPING. */
void guest_link_leave(GuestLink *link);
/* Whether an error says that the connection is over, for either reason. */
gboolean guest_link_is_over(const GError *error);
/* While its machine stands still, no silence is held against it. */
void guest_link_set_stalled(GuestLink *link, gboolean is_stalled);

/* Sends the preamble and waits for the agent's HELLO. Must be the first call, and is made once. */
void guest_link_greet_async(GuestLink *link, guint timeout_s, GAsyncReadyCallback callback,
                            gpointer data);
gboolean guest_link_greet_finish(GuestLink *link, GAsyncResult *result, GError **error);
/* The sandbox that the agent says it is, "" before a claim; once it has greeted. */
const char *guest_link_sandbox_id(const GuestLink *link);

typedef struct {
    const char *id;                 /* [a-z0-9]{1,64} */
    const char *hostname;           /* at most 63 characters */
    const char *user;               /* who runs what names nobody */
    const char *const *environment; /* NAME=value */
} GuestClaim;

/* Makes the machine somebody's: names, randomness and clock are taken from the host at this moment.
 */
void guest_link_claim_async(GuestLink *link, const GuestClaim *claim, GAsyncReadyCallback callback,
                            gpointer data);
gboolean guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error);

/* Sets the guest's clock by the host's: now, or when the agent has greeted. Nothing waits for it,
 * and at most one is under way; a machine that stands still gets none, so call it when it goes on.
 * An agent that is too old for it keeps its clock. */
void guest_link_set_clock(GuestLink *link);

/* Asks the agent to get ready for a snapshot. */
void guest_link_quiesce_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data);
gboolean guest_link_quiesce_finish(GuestLink *link, GAsyncResult *result, GError **error);

/* --- streams: a process each --- */

typedef struct {
    const char *const *argv;
    const char *const *environment; /* NAME=value, or NULL */
    const char *cwd;                /* NULL: the user's home */
    const char *user;               /* NULL: the claim's */
    const char *tag;                /* NULL: none */
    guint64 timeout_ms;             /* 0: none */
    guint32 flags;                  /* START_… */
    guint32 columns, rows;          /* START_TERMINAL */
} GuestStart;

typedef struct {
    WireExit how;
    guint32 status; /* exit status, or signal */
    guint64 user_us, system_us, peak_rss_kib;
} GuestExit;

typedef struct {
    void (*started)(GuestStream *stream, guint32 pid, gpointer data);
    /* The receiver gives the bytes back with guest_stream_credit() when it has passed them on. */
    void (*received)(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
                     gpointer data);
    /* Once, and last: how it ended, or why it could not start or was lost. Then call
     * guest_stream_free(). */
    void (*ended)(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data);
    /* All that was queued for this channel is on its way; or NULL. Must not free the stream. */
    void (*written)(GuestStream *stream, WireChannel channel, gpointer data);
    /* Nothing more comes from this channel; WIRE_STDIN: the process takes no more; or NULL. */
    void (*closed)(GuestStream *stream, WireChannel channel, gpointer data);
    /* Its first process has ended so, and output of it is still to come; or NULL. */
    void (*reaped)(GuestStream *stream, const GuestExit *how, gpointer data);
} GuestStreamEvents;

/* What the guest said of an object: the error that it is called here. */
GError *guest_error(WireObject about, guint32 errnum, const char *name);

/* Starts a process. NULL with an error when the request is too long or too much is under way. */
GuestStream *guest_stream_start(GuestLink *link, const GuestStart *start,
                                const GuestStreamEvents *events, gpointer data, GError **error);
/* Takes up a process that was started with START_KEEP and that tag. */
GuestStream *guest_stream_attach(GuestLink *link, const char *tag, const GuestStreamEvents *events,
                                 gpointer data, GError **error);
/* Queues bytes for WIRE_STDIN or WIRE_CONTROL; they leave as the guest takes them. */
void guest_stream_write(GuestStream *stream, WireChannel channel, const void *bytes, gsize size);
/* No more is written to this channel, after what is queued. */
void guest_stream_write_end(GuestStream *stream, WireChannel channel);
/* How much is queued and not on its way. */
gsize guest_stream_queued(const GuestStream *stream, WireChannel channel);
/* Nobody reads this channel any more: who writes it there gets SIGPIPE; a terminal hangs up. */
void guest_stream_stop_reading(GuestStream *stream, WireChannel channel);
void guest_stream_resize(GuestStream *stream, guint32 columns, guint32 rows);
void guest_stream_credit(GuestStream *stream, WireChannel channel, gsize size);
void guest_stream_signal(GuestStream *stream, int signal);
/* SIGKILL for all that it started; `ended` follows. */
void guest_stream_kill(GuestStream *stream);
/* Closes it if it has not ended: what was not started with START_KEEP is killed. NULL is fine. */
void guest_stream_free(GuestStream *stream);
