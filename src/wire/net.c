/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net: frames of connections. No function keeps state between calls. */
#include "net.h"

#include <errno.h>
#include <string.h>

const uint8_t net_magic[WIRE_MAGIC_SIZE] = {0x9D, 0x41, 0xE8, 0x06, 0xB3, 0x7C, 0xF2, 0x58,
                                            0x1B, 0xC9, 0x84, 0x3A, 0xD7, 0x60, 0xAE, 0x15};

/* --- reading --- */

int
net_frame_get(const uint8_t *data, size_t size, WireHeader *ret_header, const uint8_t **ret_payload,
              size_t *ret_size)
{
    if (size >= 4 &&
        (data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24) > NET_PAYLOAD_MAX)
        return -EPROTO;
    if (size >= WIRE_HEADER_SIZE && data[9] != 0)
        return -EPROTO;
    return wire_frame_get(data, size, ret_header, ret_payload, ret_size);
}

static int
get_host(WireReader *r, NetRequest *ret)
{
    size_t size = 0;
    const uint8_t *bytes = wire_get_bytes(r, &size);

    if (!bytes || size == 0 || size > NET_NAME_MAX || memchr(bytes, 0, size))
        return -EBADMSG;
    memcpy(ret->host, bytes, size);
    ret->host[size] = '\0';
    return 0;
}

int
net_lookup_get(const uint8_t *payload, size_t size, NetRequest *ret)
{
    NetRequest request = {.port = 0};
    WireReader r;

    wire_reader_init(&r, payload, size);
    if (get_host(&r, &request) < 0 || wire_reader_end(&r) < 0)
        return -EBADMSG;
    *ret = request;
    return 0;
}

int
net_open_get(const uint8_t *payload, size_t size, NetRequest *ret)
{
    NetRequest request;
    WireReader r;

    wire_reader_init(&r, payload, size);
    if (get_host(&r, &request) < 0)
        return -EBADMSG;
    uint32_t port = wire_get_u32(&r);
    if (port == 0 || port > UINT16_MAX || wire_reader_end(&r) < 0)
        return -EBADMSG;
    request.port = (uint16_t)port;
    *ret = request;
    return 0;
}

int
net_number_get(const uint8_t *payload, size_t size, uint32_t *ret)
{
    WireReader r;

    wire_reader_init(&r, payload, size);
    uint32_t number = wire_get_u32(&r);
    if (wire_reader_end(&r) < 0)
        return -EBADMSG;
    *ret = number;
    return 0;
}

/* --- writing --- */

static ptrdiff_t
end_frame(WireWriter *w, uint32_t stream, NetType type)
{
    return wire_frame_end(w, stream, (WireType)type, WIRE_STDIN);
}

size_t
net_empty_put(uint8_t *out, uint32_t stream, NetType type)
{
    WireWriter w;

    wire_frame_begin(&w, out, NET_FRAME_MAX);
    return (size_t)end_frame(&w, stream, type);
}

size_t
net_number_put(uint8_t *out, uint32_t stream, NetType type, uint32_t number)
{
    WireWriter w;

    wire_frame_begin(&w, out, NET_FRAME_MAX);
    wire_put_u32(&w, number);
    return (size_t)end_frame(&w, stream, type);
}

size_t
net_data_put(uint8_t *out, uint32_t stream, const void *data, size_t size)
{
    const WireHeader header = {.length = (uint32_t)size, .stream = stream, .type = NET_DATA};

    wire_header_put(out, &header);
    memmove(out + WIRE_HEADER_SIZE, data, size);
    out[WIRE_HEADER_SIZE + size] = WIRE_END;
    return WIRE_HEADER_SIZE + size + 1;
}

ptrdiff_t
net_request_put(uint8_t *out, uint32_t stream, const char *host, uint16_t port)
{
    WireWriter w;

    if (strlen(host) > NET_NAME_MAX)
        return -EMSGSIZE;
    wire_frame_begin(&w, out, NET_FRAME_MAX);
    wire_put_string(&w, host);
    if (port != 0)
        wire_put_u32(&w, port);
    return end_frame(&w, stream, port != 0 ? NET_OPEN : NET_LOOKUP);
}
