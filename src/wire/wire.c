/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire: frames and their fields.
 *
 * No function keeps state between calls. Memory is allocated only for bytes that have arrived.
 */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Random bytes, which no text and no program contains by accident. The first one is not zero, so
 * the pad before it cannot be taken for its beginning. */
const uint8_t wire_magic[WIRE_MAGIC_SIZE] = {0xC1, 0x0C, 0x4E, 0x9F, 0x5A, 0xE3, 0x17, 0xB8,
                                             0x66, 0xD4, 0x2B, 0x90, 0xFD, 0x71, 0x3C, 0xA5};

static void
put_le32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t
get_le32(const uint8_t *in)
{
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* --- frames --- */

void
wire_header_put(uint8_t *out, const WireHeader *header)
{
    put_le32(out, header->length);
    put_le32(out + 4, header->stream);
    out[8] = header->type;
    out[9] = header->channel;
    out[10] = out[11] = 0;
}

static bool
header_is_valid(const WireHeader *header, const uint8_t *raw)
{
    if (header->length > WIRE_PAYLOAD_MAX || raw[10] != 0 || raw[11] != 0)
        return false;
    /* Only HELLO belongs to no stream. */
    if ((header->stream == 0) != (header->type == WIRE_HELLO))
        return false;
    return header->channel < _WIRE_CHANNELS;
}

int
wire_frame_get(const uint8_t *data, size_t size, WireHeader *ret_header,
               const uint8_t **ret_payload, size_t *ret_size)
{
    if (size < WIRE_HEADER_SIZE)
        return 0;

    WireHeader header = {
        .length = get_le32(data),
        .stream = get_le32(data + 4),
        .type = data[8],
        .channel = data[9],
    };
    if (!header_is_valid(&header, data))
        return -EPROTO;

    size_t frame_size = WIRE_HEADER_SIZE + (size_t)header.length + 1;
    if (size < frame_size)
        return 0;
    if (data[frame_size - 1] != WIRE_END)
        return -EPROTO;

    *ret_header = header;
    *ret_payload = data + WIRE_HEADER_SIZE;
    *ret_size = frame_size;
    return 1;
}

/* The number of bytes at the end of `data` that equal the beginning of `needle`. */
static size_t
partial_match(const uint8_t *data, size_t size, const uint8_t *needle, size_t needle_size)
{
    size_t keep = size < needle_size ? size : needle_size - 1;
    while (keep > 0 && memcmp(data + size - keep, needle, keep) != 0)
        keep--;
    return keep;
}

ptrdiff_t
wire_find(const uint8_t *data, size_t size, const uint8_t *needle, size_t needle_size,
          size_t *ret_keep)
{
    const uint8_t *found = size < needle_size ? NULL : memmem(data, size, needle, needle_size);
    if (found)
        return found - data;
    *ret_keep = size == 0 ? 0 : partial_match(data, size, needle, needle_size);
    return -EAGAIN;
}

/* --- writing --- */

/* Room for `size` more bytes, or NULL. */
static uint8_t *
take_room(WireWriter *w, size_t size)
{
    if (w->overflow || w->size - w->used < size) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *room = w->data + w->used;
    w->used += size;
    return room;
}

void
wire_frame_begin(WireWriter *w, uint8_t *buffer, size_t size)
{
    *w = (WireWriter){.data = buffer, .size = size > WIRE_FRAME_MAX ? WIRE_FRAME_MAX : size};
    take_room(w, WIRE_HEADER_SIZE);
}

ptrdiff_t
wire_frame_end(WireWriter *w, uint32_t stream, WireType type, WireChannel channel)
{
    size_t length = w->used - WIRE_HEADER_SIZE;
    uint8_t *end = take_room(w, 1);
    if (!end)
        return -EMSGSIZE;

    *end = WIRE_END;
    WireHeader header = {
        .length = (uint32_t)length,
        .stream = stream,
        .type = (uint8_t)type,
        .channel = (uint8_t)channel,
    };
    wire_header_put(w->data, &header);
    return (ptrdiff_t)w->used;
}

void
wire_put_u32(WireWriter *w, uint32_t value)
{
    uint8_t *out = take_room(w, 4);
    if (out)
        put_le32(out, value);
}

void
wire_put_u64(WireWriter *w, uint64_t value)
{
    uint8_t *out = take_room(w, 8);
    if (!out)
        return;
    put_le32(out, (uint32_t)value);
    put_le32(out + 4, (uint32_t)(value >> 32));
}

void
wire_put_bytes(WireWriter *w, const void *data, size_t size)
{
    wire_put_u32(w, (uint32_t)size);
    uint8_t *out = take_room(w, size);
    if (out && size > 0)
        memcpy(out, data, size);
}

void
wire_put_string(WireWriter *w, const char *string)
{
    wire_put_bytes(w, string, strlen(string));
}

void
wire_put_strv(WireWriter *w, const char *const *strv)
{
    uint32_t count = 0;
    while (strv && strv[count])
        count++;
    wire_put_u32(w, count);
    for (uint32_t i = 0; i < count && !w->overflow; i++)
        wire_put_string(w, strv[i]);
}

/* --- reading --- */

/* The next `size` bytes, or NULL. */
static const uint8_t *
take_bytes(WireReader *r, size_t size)
{
    if (r->failed || r->left < size) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *bytes = r->data;
    r->data += size;
    r->left -= size;
    return bytes;
}

void
wire_reader_init(WireReader *r, const uint8_t *payload, size_t size)
{
    *r = (WireReader){.data = payload, .left = size};
}

uint32_t
wire_get_u32(WireReader *r)
{
    const uint8_t *in = take_bytes(r, 4);
    return in ? get_le32(in) : 0;
}

uint64_t
wire_get_u64(WireReader *r)
{
    const uint8_t *in = take_bytes(r, 8);
    return in ? get_le32(in) | (uint64_t)get_le32(in + 4) << 32 : 0;
}

const uint8_t *
wire_get_bytes(WireReader *r, size_t *ret_size)
{
    uint32_t size = wire_get_u32(r);
    const uint8_t *bytes = take_bytes(r, size);
    if (bytes)
        *ret_size = size;
    return bytes;
}

char *
wire_get_string(WireReader *r, size_t max)
{
    size_t size = 0;
    const uint8_t *bytes = wire_get_bytes(r, &size);
    if (!bytes)
        return NULL;

    char *string = NULL;
    if (size <= max && !memchr(bytes, 0, size))
        string = malloc(size + 1);
    if (!string) {
        r->failed = true;
        return NULL;
    }
    memcpy(string, bytes, size);
    string[size] = '\0';
    return string;
}

char **
wire_get_strv(WireReader *r, size_t max_count, size_t max)
{
    uint32_t count = wire_get_u32(r);
    /* Each string takes at least four bytes, so a false count costs no memory. */
    if (r->failed || count > max_count || count > r->left / 4) {
        r->failed = true;
        return NULL;
    }

    char **strv = calloc((size_t)count + 1, sizeof *strv);
    if (!strv)
        r->failed = true;
    for (uint32_t i = 0; i < count && !r->failed; i++)
        strv[i] = wire_get_string(r, max);
    if (r->failed) {
        wire_strv_free(strv);
        return NULL;
    }
    return strv;
}

void
wire_strv_free(char **strv)
{
    for (char **s = strv; s && *s; s++)
        free(*s);
    free(strv);
}

int
wire_reader_end(const WireReader *r)
{
    return r->failed || r->left > 0 ? -EBADMSG : 0;
}
