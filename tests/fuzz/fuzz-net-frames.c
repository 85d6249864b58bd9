/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-net-frames: the host's parser of a guest's connections.
 *
 * What is accepted satisfies what the header guarantees, and gives the same bytes when it is
 * written again.
 */
#include <stdlib.h>
#include <string.h>

#include "net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[NET_FRAME_MAX];

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
require_same(const uint8_t *frame, size_t size, ptrdiff_t written)
{
    require(written == (ptrdiff_t)size && memcmp(again, frame, size) == 0);
}

static void
read_request(const WireHeader *header, const uint8_t *payload, const uint8_t *frame, size_t size)
{
    NetRequest request;
    int is_lookup = net_lookup_get(payload, header->length, &request) == 0;
    int is_open = net_open_get(payload, header->length, &request) == 0;

    require(!is_lookup || !is_open);
    if (!is_lookup && !is_open)
        return;
    size_t length = strnlen(request.host, sizeof request.host);
    require(length > 0 && length <= NET_NAME_MAX);
    require((request.port != 0) == is_open);
    if (header->type == (is_open ? NET_OPEN : NET_LOOKUP))
        require_same(frame, size,
                     net_request_put(again, header->stream, request.host, request.port));
}

static void
read_frame(const WireHeader *header, const uint8_t *payload, const uint8_t *frame, size_t size)
{
    uint32_t number;

    require(header->length <= NET_PAYLOAD_MAX && header->channel == 0);
    require((header->stream == 0) == (header->type == NET_HELLO));
    require(size == WIRE_HEADER_SIZE + header->length + 1u && size <= NET_FRAME_MAX);
    read_request(header, payload, frame, size);
    if (net_number_get(payload, header->length, &number) == 0)
        require_same(
            frame, size,
            (ptrdiff_t)net_number_put(again, header->stream, (NetType)header->type, number));
    if (header->type == NET_DATA)
        require_same(frame, size,
                     (ptrdiff_t)net_data_put(again, header->stream, payload, header->length));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireHeader header;
    const uint8_t *payload;
    size_t found = 0;

    for (size_t at = 0; net_frame_get(data + at, size - at, &header, &payload, &found) == 1;
         at += found) {
        require(found <= size - at && payload == data + at + WIRE_HEADER_SIZE);
        read_frame(&header, payload, data + at, found);
    }
    return 0;
}
