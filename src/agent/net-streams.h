/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-streams: the numbers of connections and lookups that are under way.
 *
 * A number modulo NET_STREAMS_MAX is the stream's place in a table, so there are never more streams
 * than the protocol permits.
 */
#pragma once

#include <stdbool.h>

#include "net.h"

typedef struct NetStream NetStream;

typedef struct {
    /* A frame of the host. -EPROTO if it breaks the protocol. */
    int (*frame)(NetStream *stream, const WireHeader *header, const uint8_t *payload);
    /* The connection to the host has ended, or was replaced by a new one. The stream has no number
     * any more. */
    void (*lost)(NetStream *stream);
} NetStreamKind;

/* Embedded in the struct of its owner. */
struct NetStream {
    uint32_t number; /* 0: none */
    const NetStreamKind *kind;
};

/* Gives the stream the next number. False if there are too many streams. */
bool net_streams_add(NetStream *stream, const NetStreamKind *kind);
/* Frames of this number are ignored from now on. Does nothing if the stream has no number. */
void net_streams_remove(NetStream *stream);

/* Passes the frame on to its stream. -EPROTO if it breaks the protocol. */
int net_streams_frame(const WireHeader *header, const uint8_t *payload);
/* Removes all streams and reports that to each; numbers begin anew. */
void net_streams_lose(void);
