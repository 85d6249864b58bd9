/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolver-protocol: a worker's questions to the resolver.
 *
 * Each is one packet of a SOCK_SEQPACKET socket. Each worker has a socket of its own, so that no
 * worker sees another's answers. Both programs are of the same build.
 */
#pragma once

#include "address.h"
#include "net.h"

#define RESOLVER_QUESTIONS_MAX 64u /* of one worker, at once; beyond it the answer is EAGAIN */
/* Queries to name servers at once; beyond it they wait, in turn between users. */
#define RESOLVER_USER_QUERIES_MAX 128u
#define RESOLVER_QUERIES_MAX 512u
#define RESOLVER_ADDRESSES_MAX 16u
#define RESOLVER_TIMEOUT_MS 10000u /* then the answer is EAGAIN */

/* The first packet of a connection. The master sends it before the worker has the connection. */
typedef struct {
    guint32 owner; /* uid */
} ResolverGreeting;

typedef struct {
    guint32 serial;
    char name[NET_NAME_MAX + 1]; /* canonical */
} ResolverQuestion;

typedef struct {
    guint32 serial;
    guint32 status; /* 0, ENOENT or EAGAIN */
    guint32 ttl_s;
    guint32 count;
    NetAddress addresses[RESOLVER_ADDRESSES_MAX];
} ResolverAnswer;
