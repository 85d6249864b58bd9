/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: one lookup or one connection of a guest.
 *
 * A connection first greets (the guest's first bytes say whether it may go on, if the protocol is
 * not tcp), then resolves, connects, and moves bytes. Each address is judged when it is connected
 * to, by the rules of that time.
 */
#pragma once

#include "client-hello.h"
#include "dial.h"
#include "intercept.h"
#include "worker-private.h"

#define STREAM_GREETING_US (10 * G_USEC_PER_SEC) /* for a ClientHello, or the head of a request */
#define STREAM_CONNECT_US (10 * G_USEC_PER_SEC)
#define STREAM_ENDING_US (5 * G_USEC_PER_SEC)
#define STREAM_LINGER_US (60 * G_USEC_PER_SEC)
#define STREAM_IDLE_US ((gint64)3600 * G_USEC_PER_SEC)

typedef enum {
    STREAM_LOOKUP,
    STREAM_GREETING,
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_PROXY, /* waits for the proxy's answer to CONNECT */
    STREAM_OPEN,
    STREAM_ENDING, /* the guest has got an answer and EOF; nothing that it sends counts */
    STREAM_DEAD,
} StreamState;

struct Stream {
    Worker *worker;
    guint32 number;
    StreamState state;

    char *host; /* as the guest has given it */
    char *name; /* canonical; NULL: an address */
    guint16 port;
    gboolean has_address;
    NetAddress address; /* that was asked for, or is connected */
    NetProtocol protocol;
    gboolean is_listed; /* `address` was asked for, and an entry allows it */
    char *rule;         /* that allowed it */
    char *refusal;      /* that refused an address of the name, or NULL */
    char *sni;

    Dial dial;
    int fd; /* -1: not connected */
    gboolean readable, writable;
    gboolean is_ready; /* in the queue of the worker */
    GList ready_link;
    GString *proxy_head;            /* of the proxy's answer; NULL: it was not asked */
    Bytes up;                       /* bytes of the guest that wait for the server */
    Intercept *intercept;           /* reads the requests; NULL: nobody does */
    gboolean has_secrets;           /* its requests get them */
    gboolean is_hurried;            /* the guest has a short time for a greeting or a head */
    gboolean was_open;              /* the connection was made */
    gsize counted_up, counted_down; /* bytes in queues, as the worker has counted them */

    guint32 credit;                     /* bytes that may be sent to the guest */
    guint32 window;                     /* bytes that the guest may send */
    guint32 owed;                       /* bytes for which the guest has no credit yet */
    gboolean guest_ended, server_ended; /* an EOF has come, was sent */
    gboolean is_shut;                   /* the server got the guest's EOF */
    gboolean is_lingering;              /* over for the guest */

    gint64 began, active, deadline; /* 0: no deadline */
    guint64 bytes_up, bytes_down;
};

/* --- stream.c: the guest's frames --- */

void stream_lookup(Worker *worker, guint32 number, const char *host);
void stream_open(Worker *worker, guint32 number, const NetRequest *request);
/* These return NULL, or how the guest has violated the protocol. */
const char *stream_take_data(Stream *stream, const guint8 *bytes, gsize size);
const char *stream_take_eof(Stream *stream);
const char *stream_take_credit(Stream *stream, guint32 bytes);
void stream_take_reset(Stream *stream);

void stream_expire(Stream *stream);
/* The rules have changed. */
void stream_judge_again(Stream *stream);

/* --- stream-end.c --- */

/* Ends the stream, and reports it. `error`: an errno for RESET, 0: none is sent. `reason`: for
 * people, or NULL. The stream's memory is valid until the end of the step. */
void stream_end(Stream *stream, ReportKind kind, int error, const char *reason);
/* Refuses: the guest gets `answer` and EOF before the stream ends. */
void stream_refuse(Stream *stream, const guint8 *answer, gsize size, const char *reason);
/* The guest gets what was sent to it, and EOF, before the stream ends. */
void stream_end_softly(Stream *stream, ReportKind kind, const char *reason);
/* Fills in what is known of the stream. */
void stream_describe(const Stream *stream, ReportEvent *event, char address[NET_ADDRESS_TEXT_MAX]);
/* After an EOF in either direction: ends the stream if both have passed. */
void stream_check_end(Stream *stream);
void stream_set_deadline(Stream *stream, gint64 when);
void stream_free(Stream *stream);

/* --- stream-connect.c --- */

/* Looks for the addresses of the server, and connects to one of them. */
void stream_seek(Stream *stream);
/* An attempt is writable. */
void stream_take_attempt(Stream *stream, guint attempt);
/* Begins attempts that are due. */
void stream_dial(Stream *stream);
/* Reads the proxy's answer. */
void stream_read_proxy(Stream *stream);
/* There will be no connection: the guest gets a reset, or what intercept.h says. `reason` lives as
 * long as the stream. */
void stream_fail_upstream(Stream *stream, ReportKind kind, int error, const char *reason);
/* What the rules say about a stream now. */
NetVerdict stream_judge(const Stream *stream);

/* --- stream-flow.c --- */

void stream_take_event(Stream *stream, guint32 events);
/* Queues the stream to read from its server. */
void stream_make_ready(Stream *stream);
/* Moves bytes to the guest. FALSE: nothing more is possible now. */
gboolean stream_pump(Stream *stream);
/* Moves bytes to the server. */
void stream_push(Stream *stream);
/* Moves these bytes, or keeps them for later. */
void stream_push_bytes(Stream *stream, const guint8 *bytes, gsize size);

/* How many of `wanted` bytes may be moved now to the server, to the guest. What was moved is
 * accounted. */
gsize stream_may_push(Stream *stream, gsize wanted);
gsize stream_may_pump(Stream *stream, gsize wanted);
void stream_account_up(Stream *stream, gsize size);
void stream_account_down(Stream *stream, gsize size);

/* --- stream-inspect.c --- */

/* FALSE: the name cannot be inspected. */
gboolean stream_inspect_begin(Stream *stream);
/* Moves all that can move, but to the guest. */
void stream_inspect(Stream *stream);
/* Moves bytes to the guest. FALSE: nothing more is possible now. */
gboolean stream_inspect_pump(Stream *stream);
/* The connection to the server was not made, or broke. stream_inspect() goes on. */
void stream_inspect_fail(Stream *stream, const char *reason);
/* Counts the bytes in the queues of the stream, inspected or not. */
void stream_count(Stream *stream);

/* --- stream-greeting.c --- */

/* Looks at the first bytes of the guest. */
void stream_read_greeting(Stream *stream);
/* Whether the greeting of a connection that has greeted is still allowed; `verdict`: about the
 * stream. */
gboolean stream_greeting_fits(const Stream *stream, const NetVerdict *verdict);
