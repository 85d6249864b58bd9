/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-port: the frames to and from a guest. */
#pragma once

#include "bytes.h"
#include "net.h"

/* No bytes of connections are added beyond this; other frames are, because each answers one of the
 * guest's, or ends a connection. */
#define GUEST_PORT_DATA_MAX (96u * 1024)
/* Nothing is read from a guest that does not read so many bytes. */
#define GUEST_PORT_QUEUE_MAX (256u * 1024)

typedef struct GuestPort GuestPort;

/* A frame has arrived. Returns NULL, or how it violates the protocol: a static text. */
typedef const char *(*GuestPortFrame)(const WireHeader *header, const guint8 *payload,
                                      gpointer data);

/* Takes `fd`, a non-blocking stream socket; sends the preamble. */
GuestPort *guest_port_new(int fd, GuestPortFrame frame, gpointer data);
/* NULL is fine. */
void guest_port_free(GuestPort *port);
int guest_port_fd(const GuestPort *port);
/* Whether the guest has greeted. */
gboolean guest_port_is_open(const GuestPort *port);

typedef enum {
    GUEST_PORT_EMPTY,  /* all that has arrived was read */
    GUEST_PORT_MORE,   /* there may be more */
    GUEST_PORT_ENDED,  /* the other side has closed it */
    GUEST_PORT_BROKEN, /* the guest has violated the protocol */
} GuestPortInput;

/* Reads once, at most 64 KiB, and calls `frame` for each frame. `ret_reason` of GUEST_PORT_BROKEN:
 * a static text. */
GuestPortInput guest_port_receive(GuestPort *port, const char **ret_reason);

/* Each adds a frame. */
void guest_port_put_empty(GuestPort *port, guint32 stream, NetType type);
void guest_port_put_number(GuestPort *port, guint32 stream, NetType type, guint32 number);
void guest_port_put_data(GuestPort *port, guint32 stream, gconstpointer bytes, gsize size);

/* How many bytes of a connection may be added: 0 or NET_PAYLOAD_MAX. */
gsize guest_port_room(const GuestPort *port);
/* Returns memory for `size` bytes of DATA; guest_port_commit() makes a frame of those that were
 * written. */
guint8 *guest_port_reserve(GuestPort *port, gsize size);
void guest_port_commit(GuestPort *port, guint32 stream, gsize size);

/* Writes what the guest takes. FALSE: the other side has closed it. */
gboolean guest_port_flush(GuestPort *port);
gsize guest_port_waiting(const GuestPort *port);
/* Frees memory that is not in use. */
void guest_port_trim(GuestPort *port);
