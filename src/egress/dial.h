/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dial: connects to one of several addresses.
 *
 * Addresses of IPv6 and IPv4 are tried alternately: the next one when one has failed, or has not
 * answered for 250 ms. The first that answers is used.
 */
#pragma once

#include "resolver-protocol.h"

#define DIAL_ATTEMPTS_MAX 3u /* at once */

/* Connects by a non-blocking socket. Returns it, or -errno: -EACCES if the rules refuse the
 * address. */
typedef int (*DialConnect)(const NetAddress *address, gpointer data);

typedef struct {
    NetAddress addresses[RESOLVER_ADDRESSES_MAX];
    guint count, next;
    struct {
        int fd; /* -1: none */
        NetAddress address;
    } attempts[DIAL_ATTEMPTS_MAX];
    gint64 next_at; /* 0: no further attempt is due */
    int error;      /* of the last attempt that failed, -errno */
} Dial;

void dial_init(Dial *dial);
/* Sets the addresses, and forgets those of before. */
void dial_set(Dial *dial, const NetAddress *addresses, guint count);
/* Closes what is open. */
void dial_clear(Dial *dial);

typedef enum {
    DIAL_WAITS,
    DIAL_FAILED, /* no address is left; see `error` */
} DialState;

/* Begins attempts that are due. `now`: microseconds. The caller watches `attempts` for writing. */
DialState dial_go_on(Dial *dial, gint64 now, DialConnect connect, gpointer data);
/* An attempt is writable. Returns the connected socket, which is the caller's, and its address; -1
 * if it has failed (then dial_go_on() goes on), or -EINPROGRESS. */
int dial_take(Dial *dial, guint attempt, NetAddress *ret_address);
