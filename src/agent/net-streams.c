/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-streams: one table. */
#include "net-streams.h"

#include <errno.h>
#include <stddef.h>

static NetStream *streams[NET_STREAMS_MAX];
static uint32_t last_number;

static NetStream **
place_of(uint32_t number)
{
    return &streams[number % NET_STREAMS_MAX];
}

bool
net_streams_add(NetStream *stream, const NetStreamKind *kind)
{
    for (uint32_t i = 1; i <= NET_STREAMS_MAX && last_number <= UINT32_MAX - i; i++) {
        if (*place_of(last_number + i))
            continue;
        last_number += i;
        *place_of(last_number) = stream;
        *stream = (NetStream){.number = last_number, .kind = kind};
        return true;
    }
    return false;
}

void
net_streams_remove(NetStream *stream)
{
    if (stream->number == 0)
        return;
    *place_of(stream->number) = NULL;
    stream->number = 0;
}

int
net_streams_frame(const WireHeader *header, const uint8_t *payload)
{
    NetStream *stream = *place_of(header->stream);

    if (header->stream > last_number)
        return -EPROTO;
    if (!stream || stream->number != header->stream)
        return 0; /* it has ended */
    return stream->kind->frame(stream, header, payload);
}

void
net_streams_lose(void)
{
    for (size_t i = 0; i < NET_STREAMS_MAX; i++) {
        NetStream *stream = streams[i];

        if (!stream)
            continue;
        net_streams_remove(stream);
        stream->kind->lost(stream);
    }
    last_number = 0;
}
