/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * internal: messages between the master and a worker that cloched never sees.
 *
 * They have the head of egress-protocol.h. Besides them, the master passes on messages of cloched,
 * and the worker sends its answers and events.
 */
#pragma once

#include "egress-protocol.h"

typedef enum {
    /* master to worker */
    INTERNAL_VALUE = 32, /* number: index of a secret of the SET that follows; payload: its value */
    INTERNAL_RESOLVER,   /* with a connection to the resolver */
    INTERNAL_DROP,       /* PORT and VALUE before this have no effect: their SET has failed */

    /* worker to master */
    INTERNAL_WANT_RESOLVER = 96,
} InternalType;

/* Checks an internal message as egress_unpack() does. */
gboolean internal_unpack(const void *packet, gsize size, gboolean has_fd, gboolean from_worker,
                         EgressHead *ret_head, const guint8 **ret_payload);
