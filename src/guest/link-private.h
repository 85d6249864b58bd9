/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link-private: what link.c (the connection) and stream.c (the streams on it) share. */
#pragma once

#include "link.h"

/* As long as fewer bytes are unsent, streams have their turns: what comes next is never far behind
 * a stream that has much to send. */
#define LINK_AHEAD (64u * 1024)
/* More unsent bytes than this, and new streams are refused: the guest takes nothing. */
#define LINK_UNSENT_MAX (8u * 1024 * 1024)
/* More than this, and the guest is given up: what it asks for by sending, it never takes. */
#define LINK_UNSENT_END (64u * 1024 * 1024)

struct GuestLink {
    int fd;
    guint in_source, out_source, quiet_timer, greet_timer;
    guint greet_timeout_s;
    GByteArray *in, *out;
    guint8 nonce[WIRE_NONCE_SIZE];
    gboolean greeted; /* magic and nonce were found */
    gint64 heard_us;  /* CLOCK_BOOTTIME of the last bytes */
    gboolean asked;   /* a PING is under way */
    gboolean dead, is_stalled;
    char *sandbox_id; /* of the agent's greeting */
    guint32 version;  /* the same; 0: it has not greeted yet */
    guint32 last_stream;
    GHashTable *streams;  /* guint32 number → GuestStream, not owned */
    GHashTable *requests; /* guint32 number → GTask, owned */
    GQueue waiting;       /* of GuestStream that have something to send: they take turns */
    gboolean is_pumping;
    const GuestStream *newest; /* has the way; NULL: nobody waits for anybody */
    guint way_timer;
    gsize bulk_moved;     /* by streams that have moved much, since they last gave way */
    guint32 clock_number; /* of the CLOCK under way, 0: none */
    gint64 clock_sent_us; /* CLOCK_BOOTTIME */
    guint clock_tries;
    gboolean clock_is_due; /* as soon as the agent has greeted */
    GTask *greeting;
    GuestLost lost;
    gpointer lost_data;
};

/* A stream or request number that was not used in this connection. */
guint32 link_next_number(GuestLink *link);
/* The stream may have something to send: it gets its turns. */
void link_wake(GuestLink *link, GuestStream *stream);
void link_forget(GuestLink *link, GuestStream *stream);
/* Sends a frame that wire_frame_end() finished. */
void link_send(GuestLink *link, const guint8 *frame, gsize size);
/* Ends the link from inside: must be the last thing that a handler does. */
void link_lose(GuestLink *link, GuestLoss why, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Starts or stops the watch for silence, as answers are due or not. */
void link_watch_quiet(GuestLink *link);

/* A frame for a stream. FALSE when it breaks the protocol. May free the stream. */
gboolean stream_handle(GuestStream *stream, const WireHeader *header, const guint8 *payload);
/* Sends one frame of what waits. FALSE: there is none that the guest takes now. */
gboolean stream_turn(GuestStream *stream);
/* Sends what waited while another had the way. */
void stream_go_on(GuestStream *stream);
/* The stream is over: `ended` with this error. */
void stream_lose(GuestStream *stream, const GError *error);
/* From the payload of an ERROR frame; NULL when it is malformed. */
GError *stream_read_error(const guint8 *payload, gsize size);

/* way.c: a stream begins, and takes the way; it leaves it by its end, or earlier. */
void way_enter(GuestLink *link, const GuestStream *stream);
void way_leave(GuestLink *link, const GuestStream *stream);
/* Must who has moved so many bytes in all wait now? */
gboolean way_is_taken(const GuestLink *link, guint64 moved);
/* The stream moved `size` bytes, `moved` in all. */
void way_moved(GuestLink *link, const GuestStream *stream, guint64 moved, gsize size);

/* clock.c: the agent has greeted. */
void clock_greeted(GuestLink *link);
/* A frame with the number of the CLOCK under way. FALSE when it breaks the protocol. */
gboolean clock_answered(GuestLink *link, const WireHeader *header, const guint8 *payload);
