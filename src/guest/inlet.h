/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet: a descriptor whose bytes go to the guest, as fast as the guest takes them. */
#pragma once

#include <glib.h>

typedef struct Inlet Inlet;

/* Bytes that an inlet reads at once, and so the most that wait in it. */
#define INLET_SIZE (64u * 1024)

typedef struct {
    /* Bytes have arrived. The inlet reads no more until inlet_go_on(). */
    void (*read)(Inlet *inlet, const guint8 *bytes, gsize size, gpointer data);
    /* The descriptor has ended (`error` is 0) or cannot be read (an errno); it is closed. */
    void (*ended)(Inlet *inlet, int error, gpointer data);
} InletEvents;

/* Takes a socket. A descriptor that its writer passes over it ends it with EPROTO. */
Inlet *inlet_new(int fd, const InletEvents *events, gpointer data);
void inlet_go_on(Inlet *inlet);
/* The inlet ends after the bytes that the descriptor has now. */
void inlet_finish(Inlet *inlet);
/* Closes the socket: its writer gets SIGPIPE. NULL is fine. */
void inlet_free(Inlet *inlet);
