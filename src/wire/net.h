/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net: the protocol between a guest's connections and the host, over a byte stream of its own.
 *
 * The guest asks for connections by name; the host decides, resolves and connects. Frames, fields,
 * nonce and the end mark are those of wire.h, and what wire.h says about the stream holds here,
 * too. The magic is another one, and here the guest chooses the stream numbers.
 *
 * Both sides use this code, the host for hostile bytes: libc only, no I/O, no allocation by a
 * declared length. Functions return 0 or -errno.
 */
#pragma once

#include "wire.h"

#define NET_VERSION 1u
#define NET_PAYLOAD_MAX (32u * 1024) /* of any frame */
#define NET_FRAME_MAX (WIRE_HEADER_SIZE + NET_PAYLOAD_MAX + 1u)
#define NET_WINDOW (256u * 1024) /* bytes of DATA without credit, per stream and direction */
#define NET_STREAMS_MAX 256u     /* connections and lookups under way at once */
#define NET_NAME_MAX 253u        /* bytes of a host name, or of an address as text */

/*
 * Start of a connection: the host sends NET_PREAMBLE_PAD zero bytes, net_magic and a nonce. The
 * guest recognizes them in any state of its parser, as wire.h describes. Then it resets all
 * connections of its programs, and sends net_magic, the nonce and HELLO. The host discards
 * everything until it finds magic and nonce.
 *
 * Streams: each LOOKUP and each OPEN has a number that is higher than all numbers before it in this
 * connection. A lookup ends with FOUND. A stream that OPEN began ends with RESET in either
 * direction, or with EOF in both. Frames of a stream that has ended may still arrive, because they
 * crossed its end: both sides ignore them. The channel of all frames is 0.
 *
 * Order: the guest may send DATA directly after OPEN, whose answer is the first DATA, EOF or RESET.
 * DATA is never empty, and no DATA follows EOF. A guest that breaks any of these rules, sends
 * beyond its window, or has more than NET_STREAMS_MAX streams, breaks the protocol, and its network
 * is switched off.
 */
#define NET_PREAMBLE_PAD NET_FRAME_MAX
extern const uint8_t net_magic[WIRE_MAGIC_SIZE];

typedef enum {
    /* both directions */
    NET_DATA = 1, /* bytes of the connection */
    NET_EOF,      /* empty: no more DATA comes in this direction */
    NET_CREDIT,   /* bytes u32, not 0: so many more bytes of DATA may be sent */
    NET_RESET, /* errno u32: the connection was refused (ECONNREFUSED, EACCES), could not be made,
                  or was reset; ends the stream */

    /* host to guest */
    NET_FOUND = 16, /* status u32: 0; EACCES: the name may not be used; ENOENT: it has no address;
                       EAGAIN: it could not be resolved now; ends a lookup */

    /* guest to host */
    NET_HELLO = WIRE_HELLO, /* version u32; stream 0 */
    NET_LOOKUP,             /* name s: does it exist, and may it be used? */
    NET_OPEN,               /* host s (a name, or an address as text), port u32: connect by TCP */
} NetType;

/* Like wire_frame_get(), but a payload longer than NET_PAYLOAD_MAX and a channel other than 0 are
 * -EPROTO. */
int net_frame_get(const uint8_t *data, size_t size, WireHeader *ret_header,
                  const uint8_t **ret_payload, size_t *ret_size);

/* The fields of LOOKUP and OPEN. */
typedef struct {
    char host[NET_NAME_MAX + 1]; /* not empty; any bytes but NUL */
    uint16_t port;               /* of OPEN; not 0 */
} NetRequest;

/* Reads the payload of a LOOKUP or an OPEN. -EBADMSG: it is not well-formed, and `ret` is
 * untouched. */
int net_lookup_get(const uint8_t *payload, size_t size, NetRequest *ret);
int net_open_get(const uint8_t *payload, size_t size, NetRequest *ret);
/* Reads a payload that consists of one number: CREDIT, RESET, FOUND, HELLO. */
int net_number_get(const uint8_t *payload, size_t size, uint32_t *ret);

/* Each writes one frame to `out`, which has room for NET_FRAME_MAX bytes, and returns its size.
 * DATA has 1 to NET_PAYLOAD_MAX bytes, which may lie in `out`. */
size_t net_empty_put(uint8_t *out, uint32_t stream, NetType type);
size_t net_number_put(uint8_t *out, uint32_t stream, NetType type, uint32_t number);
size_t net_data_put(uint8_t *out, uint32_t stream, const void *data, size_t size);
/* -EMSGSIZE when `host` is longer than NET_NAME_MAX. `port` 0: a LOOKUP. */
ptrdiff_t net_request_put(uint8_t *out, uint32_t stream, const char *host, uint16_t port);
