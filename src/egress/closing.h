/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * closing: sockets to servers after their connection has ended.
 *
 * The kernel keeps what a server has not acknowledged when a socket is closed, for minutes, and
 * nobody counts it. A guest could fill the memory of the host with a server of its own that
 * acknowledges nothing. So such sockets stay open here, the bytes of all of them are bounded, and
 * beyond that the oldest connections are reset.
 */
#pragma once

#include <glib.h>

#define CLOSING_BYTES_MAX (4u * 1024 * 1024)
#define CLOSING_SOCKETS_MAX 128u

typedef struct Closing Closing;

Closing *closing_new(void);
/* Resets all connections that are left. NULL is fine. */
void closing_free(Closing *closing);

/* Takes `fd`, a TCP socket. `is_shut`: the server gets all bytes and the end that were written;
 * otherwise the connection is reset. */
void closing_take(Closing *closing, int fd, gboolean is_shut);
