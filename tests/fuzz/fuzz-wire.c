/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-wire: the host's parser of frames survives hostile bytes.
 *
 * Parsed values must satisfy what the header guarantees, and must give the same bytes when they are
 * written again.
 */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
read_strings(const uint8_t *payload, size_t size)
{
    WireReader r;

    wire_reader_init(&r, payload, size);
    char **strv = wire_get_strv(&r, 64, 256);
    char *string = wire_get_string(&r, 256);
    require(!strv || !r.failed || !string);
    require(!string || strlen(string) <= 256);
    require(r.left <= size);
    wire_strv_free(strv);
    free(string);
}

/* The fields of an ERROR or EXITED or a START, whatever the type says. */
static void
read_fields(const uint8_t *payload, size_t size)
{
    static uint8_t again[WIRE_FRAME_MAX];
    WireReader r;
    WireWriter w;
    size_t n = 0;

    wire_reader_init(&r, payload, size);
    uint32_t small = wire_get_u32(&r);
    uint64_t large = wire_get_u64(&r);
    const uint8_t *bytes = wire_get_bytes(&r, &n);
    if (wire_reader_end(&r) < 0)
        return;
    require(n <= size);

    wire_frame_begin(&w, again, sizeof again);
    wire_put_u32(&w, small);
    wire_put_u64(&w, large);
    wire_put_bytes(&w, bytes, n);
    ptrdiff_t whole = wire_frame_end(&w, 1, WIRE_DATA, 0);
    require(whole == (ptrdiff_t)(WIRE_HEADER_SIZE + size + 1));
    require(memcmp(again + WIRE_HEADER_SIZE, payload, size) == 0);
}

static void
find_preamble(const uint8_t *data, size_t size)
{
    size_t keep = 0;
    ptrdiff_t at = wire_find(data, size, wire_magic, WIRE_MAGIC_SIZE, &keep);

    if (at >= 0)
        require(memcmp(data + at, wire_magic, WIRE_MAGIC_SIZE) == 0);
    else
        require(keep < WIRE_MAGIC_SIZE && keep <= size &&
                memcmp(data + size - keep, wire_magic, keep) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireHeader header;
    const uint8_t *payload;
    size_t whole = 0;

    find_preamble(data, size);
    for (size_t at = 0; wire_frame_get(data + at, size - at, &header, &payload, &whole) == 1;
         at += whole) {
        uint8_t raw[WIRE_HEADER_SIZE];
        wire_header_put(raw, &header);
        require(memcmp(raw, data + at, sizeof raw) == 0);
        require(whole == WIRE_HEADER_SIZE + header.length + 1u && whole <= size - at);
        read_strings(payload, header.length);
        read_fields(payload, header.length);
    }
    return 0;
}
