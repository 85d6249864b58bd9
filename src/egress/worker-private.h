/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-private: the parts of a worker. */
#pragma once

#include <sys/epoll.h>

#include "bucket.h"
#include "closing.h"
#include "egress-protocol.h"
#include "guest-port.h"
#include "names.h"
#include "report.h"
#include "rules.h"
#include "secrets.h"
#include "worker.h"

/* Bytes of the guest that wait for servers, of all connections. Nothing is read from the guest
 * while there are more. */
#define WORKER_WAITING_MAX (8u * 1024 * 1024)
/* If that lasts so long, connections with the most bytes are ended. */
#define WORKER_PAUSE_US (10 * G_USEC_PER_SEC)
/* Bytes of servers in inspected connections. While there are more, each connection gets only a
 * few. */
#define WORKER_HELD_MAX (4u * 1024 * 1024)
/* Connections whose stream has ended, but whose last bytes are still being sent. */
#define WORKER_LINGERING_MAX 256u
/* Connections at once for which the kernel may keep megabytes in each direction, as far as they
 * are fast enough. Without a limit, servers could fill the memory of all workers with them. */
#define WORKER_LARGE_MAX 8u
/* Those up to this one have medium buffers, all others small ones. The kernel accounts for twice as
 * many bytes, in each direction. */
#define WORKER_MEDIUM_MAX 32u
#define WORKER_MEDIUM_BUFFER (128u * 1024)
#define WORKER_SMALL_BUFFER (32u * 1024)
#define WORKER_OPENS_PER_S 100u
#define WORKER_OPENS_BURST 200u
#define WORKER_LOOKUPS_PER_S 50u
#define WORKER_LOOKUPS_BURST 100u
/* A guest that does not greet for so long does not delay the answer to SET any more. */
#define WORKER_GREETING_US (3 * G_USEC_PER_SEC)

/* What an event of epoll is about. */
typedef enum {
    WORKER_CONTROL,
    WORKER_PORT,
    WORKER_RESOLVER,
    WORKER_SOCKET,  /* of the stream with the number */
    WORKER_ATTEMPT, /* the same; slot: the attempt */
} WorkerSource;

/* The proxy of the administrator. */
typedef struct {
    char *host; /* canonical, or an address as text; NULL: there is none */
    guint16 port;
} WorkerProxy;

typedef struct Stream Stream;

struct Worker {
    char *id;
    int control, epoll;
    WorkerWorld world;
    gint64 now; /* of the step, microseconds */

    GuestPort *port;     /* NULL: none */
    int next_port;       /* of a PORT before its SET; -1: none */
    EgressHead greeting; /* a SET that is answered when the guest has greeted; serial 0: none */
    gint64 greeting_end; /* when it is answered in any case */
    guint32 port_events; /* that epoll watches for */
    gint64 pause_end;    /* 0: the guest is read */
    guint32 last_number; /* of a stream of the guest */
    GHashTable *streams; /* number → Stream; all that have not ended */
    guint alive;         /* of them, those that the guest may still use */
    gsize waiting;       /* bytes in the queues to servers */
    gsize held;          /* bytes of servers in the queues of inspected streams */
    GQueue ready;        /* of Stream: its server has sent bytes */
    GPtrArray *dead;     /* of Stream: they are freed at the end of the step */
    Closing *closing;    /* sockets of streams that have ended */

    NetRules *rules; /* never NULL */
    gboolean has_policy, is_exhausted;
    WorkerProxy proxy;
    Secrets *secrets;
    Authority *authority; /* NULL: no request is inspected */
    TlsTrust *trust;      /* NULL: none can be inspected */
    Names *names;
    gint64 resolver_at; /* when the master may be asked for a connection to the resolver */
    Report *report;
    EgressTraffic traffic;
    Bucket opens, lookups, up, down;
    gboolean is_held_up, is_held_down; /* bytes wait for tokens of the bucket */

    gint64 wake_at;    /* 0: never; not later than the earliest time that is due */
    gint64 trim_at;    /* 0: memory is trimmed */
    gboolean has_more; /* to do, without an event */
    gboolean is_over;
    char control_packet[EGRESS_PACKET_MAX];
};

/* Sets wake_at to `when` if that is earlier; 0: does nothing. */
void worker_wake_at(Worker *worker, gint64 when);
void worker_watch(Worker *worker, int fd, WorkerSource source, guint slot, guint32 number);
/* Ends the worker by itself. */
void worker_fail(Worker *worker, const char *reason);
/* The traffic of the policy is used up: resets everything. */
void worker_check_traffic(Worker *worker);

/* worker-control.c: a message of the master waits. */
void worker_control_receive(Worker *worker);
/* Answers a SET whose guest has greeted: its programs can connect from now on. */
void worker_control_check_greeting(Worker *worker);
/* Asks for a connection to the resolver if there is none. */
void worker_control_check_resolver(Worker *worker);
void worker_control_send(Worker *worker, const EgressHead *head, const void *payload, gsize size);

/* worker-guest.c: frames. */
/* Replaces the port; -1: none. All streams end. */
void worker_guest_connect(Worker *worker, int fd);
/* The guest has sent bytes, or closed its port. */
void worker_guest_receive(Worker *worker);
/* Ends connections whose servers have taken nothing for too long, if their bytes block the guest.
 */
void worker_guest_check_pause(Worker *worker);
/* Moves bytes of servers to the guest. TRUE: more is possible, after others have had their turn. */
gboolean worker_guest_go_on(Worker *worker);

/* worker-world.c: the network of the host. */
typedef struct Routes Routes;
WorkerWorld worker_world_new(Routes *routes);
