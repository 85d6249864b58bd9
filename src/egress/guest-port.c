/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-port: the frames to and from a guest. */
#include "guest-port.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)
#define INPUT_MAX (READ_SIZE + NET_FRAME_MAX)
/* More than all frames that can be added while GUEST_PORT_QUEUE_MAX bytes wait. */
#define OUTPUT_MAX (4u * 1024 * 1024)
#define GREETING_SIZE (WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE)

struct GuestPort {
    int fd;
    GuestPortFrame frame;
    gpointer data;
    guint8 greeting[GREETING_SIZE]; /* magic and nonce */
    gboolean is_open, has_hello;
    Bytes input, output;
};

/* --- life --- */

static void
send_preamble(GuestPort *port)
{
    guint8 *out = bytes_reserve(&port->output, NET_PREAMBLE_PAD + GREETING_SIZE);

    memcpy(port->greeting, net_magic, WIRE_MAGIC_SIZE);
    g_assert(getrandom(port->greeting + WIRE_MAGIC_SIZE, WIRE_NONCE_SIZE, 0) == WIRE_NONCE_SIZE);
    memset(out, 0, NET_PREAMBLE_PAD);
    memcpy(out + NET_PREAMBLE_PAD, port->greeting, GREETING_SIZE);
    bytes_commit(&port->output, NET_PREAMBLE_PAD + GREETING_SIZE);
}

GuestPort *
guest_port_new(int fd, GuestPortFrame frame, gpointer data)
{
    GuestPort *port = g_new0(GuestPort, 1);

    port->fd = fd;
    port->frame = frame;
    port->data = data;
    bytes_init(&port->input, INPUT_MAX);
    bytes_init(&port->output, OUTPUT_MAX);
    send_preamble(port);
    return port;
}

void
guest_port_free(GuestPort *port)
{
    if (!port)
        return;
    close(port->fd);
    bytes_clear(&port->input);
    bytes_clear(&port->output);
    g_free(port);
}

int
guest_port_fd(const GuestPort *port)
{
    return port->fd;
}

gboolean
guest_port_is_open(const GuestPort *port)
{
    return port->has_hello;
}

/* --- input --- */

/* Discards bytes until the guest's greeting. FALSE: more are needed. */
static gboolean
find_greeting(GuestPort *port)
{
    gsize size = bytes_size(&port->input), keep = 0;
    gssize at =
        wire_find(bytes_peek(&port->input), size, port->greeting, sizeof port->greeting, &keep);

    if (at < 0) {
        bytes_consume(&port->input, size - keep);
        return FALSE;
    }
    bytes_consume(&port->input, (gsize)at + sizeof port->greeting);
    port->is_open = TRUE;
    return TRUE;
}

static const char *
take_hello(GuestPort *port, const WireHeader *header, const guint8 *payload)
{
    guint32 version;

    if (header->type != (guint8)NET_HELLO || port->has_hello)
        return "HELLO is missing, or was sent twice";
    if (net_number_get(payload, header->length, &version) < 0 || version != NET_VERSION)
        return "the version of the guest's protocol is unknown";
    port->has_hello = TRUE;
    return NULL;
}

static const char *
take_frame(GuestPort *port, const WireHeader *header, const guint8 *payload)
{
    if (!port->has_hello || header->type == (guint8)NET_HELLO)
        return take_hello(port, header, payload);
    return port->frame(header, payload, port->data);
}

static const char *
parse(GuestPort *port)
{
    const char *reason = NULL;
    gsize at = 0;

    if (!port->is_open && !find_greeting(port))
        return NULL;
    while (!reason) {
        const guint8 *payload;
        WireHeader header;
        size_t size;
        int r = net_frame_get(bytes_peek(&port->input) + at, bytes_size(&port->input) - at, &header,
                              &payload, &size);

        if (r == 0)
            break;
        if (r < 0)
            return "the guest has sent bytes that are no frame";
        reason = take_frame(port, &header, payload);
        at += size;
    }
    bytes_consume(&port->input, at);
    return reason;
}

GuestPortInput
guest_port_receive(GuestPort *port, const char **ret_reason)
{
    gsize room = MIN(bytes_room(&port->input), READ_SIZE);
    gssize size = recv(port->fd, bytes_reserve(&port->input, room), room, MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return GUEST_PORT_EMPTY;
    if (size <= 0)
        return GUEST_PORT_ENDED;
    bytes_commit(&port->input, (gsize)size);
    *ret_reason = parse(port);
    if (*ret_reason)
        return GUEST_PORT_BROKEN;
    return (gsize)size == room ? GUEST_PORT_MORE : GUEST_PORT_EMPTY;
}

/* --- output --- */

void
guest_port_put_empty(GuestPort *port, guint32 stream, NetType type)
{
    guint8 *out = bytes_reserve(&port->output, NET_FRAME_MAX);

    bytes_commit(&port->output, net_empty_put(out, stream, type));
}

void
guest_port_put_number(GuestPort *port, guint32 stream, NetType type, guint32 number)
{
    guint8 *out = bytes_reserve(&port->output, NET_FRAME_MAX);

    bytes_commit(&port->output, net_number_put(out, stream, type, number));
}

gsize
guest_port_room(const GuestPort *port)
{
    return bytes_size(&port->output) < GUEST_PORT_DATA_MAX ? NET_PAYLOAD_MAX : 0;
}

guint8 *
guest_port_reserve(GuestPort *port, gsize size)
{
    return bytes_reserve(&port->output, WIRE_HEADER_SIZE + size + 1) + WIRE_HEADER_SIZE;
}

void
guest_port_commit(GuestPort *port, guint32 stream, gsize size)
{
    guint8 *out = bytes_reserve(&port->output, WIRE_HEADER_SIZE + size + 1);

    bytes_commit(&port->output, net_data_put(out, stream, out + WIRE_HEADER_SIZE, size));
}

void
guest_port_put_data(GuestPort *port, guint32 stream, gconstpointer bytes, gsize size)
{
    memcpy(guest_port_reserve(port, size), bytes, size);
    guest_port_commit(port, stream, size);
}

gboolean
guest_port_flush(GuestPort *port)
{
    while (bytes_size(&port->output) > 0) {
        gssize size = send(port->fd, bytes_peek(&port->output), bytes_size(&port->output),
                           MSG_DONTWAIT | MSG_NOSIGNAL);

        if (size < 0)
            return errno == EAGAIN || errno == EINTR;
        bytes_consume(&port->output, (gsize)size);
    }
    return TRUE;
}

gsize
guest_port_waiting(const GuestPort *port)
{
    return bytes_size(&port->output);
}

void
guest_port_trim(GuestPort *port)
{
    bytes_trim(&port->input);
    bytes_trim(&port->output);
}
