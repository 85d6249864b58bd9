/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * egress-protocol: the messages between cloched and cloche-egress.
 *
 * Each message is one packet of a SOCK_SEQPACKET socket (packet-socket.h), with at most one
 * descriptor: a head of fixed size and a payload. Both programs are of the same build, so the head
 * is copied as it is; the payload has the fields of wire.h. All functions are pure.
 *
 * To give a sandbox a network, or another policy, cloched sends PORT (if the worker does not have
 * the guest's port), SECRET for each value that is new, and then SET, with the same id and serial.
 * They take effect together at SET, or not at all. The master of cloche-egress passes messages
 * about an id to the worker of that id, and makes the worker at the first one.
 */
#pragma once

#include "policy.h"

#define EGRESS_PROTOCOL_VERSION 1u
#define EGRESS_ID_SIZE 65u    /* of a sandbox's id, with the zero byte */
#define EGRESS_LAYERS_MAX 3u  /* the administrator's, the template's, the sandbox's */
#define EGRESS_TEXT_MAX 1024u /* bytes of a message for people */
#define EGRESS_WATCHES_MAX 8u /* sockets of WATCH of one worker */
#define EGRESS_PEM_MAX (16u * 1024)
#define EGRESS_PACKET_MAX (sizeof(EgressHead) + NET_POLICY_SIZE_MAX)

typedef enum {
    /* cloched to cloche-egress; all have an id but LIST */
    EGRESS_PORT = 1, /* with the guest's port, a stream socket */
    EGRESS_SECRET, /* number: the index of a secret of the last layer of the SET that follows; with
                      the file of its value */
    EGRESS_SET, /* number: the owner's uid; payload: proxy s ("": none), layers u32, policies, the
                   ceiling first. Secrets without a SECRET keep the value that they had: by
                   the worker, or by the master's store if the worker is new. Answer DONE or
                   FAILED */
    EGRESS_REMOVE,  /* ends the worker, and forgets its secrets; answer DONE */
    EGRESS_TRAFFIC, /* answer FIGURES */
    EGRESS_WATCH,   /* with a stream socket, to which the worker writes a line of JSON for each
                       connection that begins, ends or is refused; no answer. The worker drops
                       lines that the reader does not take, and closes the socket when it has
                       EGRESS_WATCHES_MAX already */
    EGRESS_LIST,    /* answer: WORKER for each one, then DONE */

    /* cloche-egress to cloched */
    EGRESS_READY = 64, /* the first message; serial 0 */
    EGRESS_DONE,       /* of SET, when the guest has greeted the worker, or 3 s later; number: 1 if
                          the traffic of the policy is used up; payload: certificates b (PEM of the
                          sandbox's own authority, empty if no request is inspected); else empty */
    EGRESS_FAILED,     /* number: a ClocheError; payload: message s */
    EGRESS_FIGURES,    /* payload: an EgressTraffic, 8 numbers u64 */
    EGRESS_WORKER,     /* number: 1 if a policy is in force */
    EGRESS_LOST,       /* an event, serial 0: the worker has ended by itself; payload: reason s */
    EGRESS_EXHAUSTED,  /* an event, serial 0: the traffic of the policy has been used up */
} EgressType;

typedef struct {
    uint16_t version;
    uint16_t type;
    uint32_t serial;             /* not 0 but in READY and events */
    uint32_t number;             /* 0 where the type does not say what it is */
    uint32_t length;             /* of the payload */
    char id[EGRESS_ID_SIZE + 7]; /* [a-z0-9]+, then zeros; "" in LIST, READY and their answers */
} EgressHead;

/* What a worker has done since it was made. */
typedef struct {
    guint64 bytes_up, bytes_down; /* of connections; from and to the guest */
    guint64 connections;          /* that were made */
    guint64 refused;              /* by the rules */
    guint64 failed;               /* by the network or the other side */
    guint64 open;                 /* now */
    guint64 lookups;
    guint64 requests; /* of inspected connections */
} EgressTraffic;

void egress_head_init(EgressHead *head, EgressType type, const char *id, uint32_t serial);
/* Checks a packet: version, type, direction, serial, id, number, length, and that there is a
 * descriptor where one belongs. FALSE: it violates the protocol. The payload points into the
 * packet. */
gboolean egress_unpack(const void *packet, gsize size, gboolean has_fd, gboolean from_cloched,
                       EgressHead *ret_head, const uint8_t **ret_payload);

/* Payloads are built with a WireWriter on a buffer: egress_begin() leaves room for the head, and
 * egress_end() fills it in and returns the packet's size, 0 if the buffer was too small. */
void egress_begin(WireWriter *w, void *buffer, gsize size);
gsize egress_end(WireWriter *w, const EgressHead *head);

/* The payload of SET. */
typedef struct {
    char *proxy;
    NetPolicy *layers[EGRESS_LAYERS_MAX];
    guint count;
} EgressSetting;

void egress_setting_put(WireWriter *w, const EgressSetting *setting);
/* FALSE: it is malformed. The policies are not checked. */
gboolean egress_setting_get(const uint8_t *payload, gsize size, EgressSetting *ret);
void egress_setting_clear(EgressSetting *setting);

void egress_traffic_put(WireWriter *w, const EgressTraffic *traffic);
gboolean egress_traffic_get(const uint8_t *payload, gsize size, EgressTraffic *ret);
