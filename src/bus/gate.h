/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate: stands between GDBus and the system bus, and drops messages that are too large.
 *
 * The bus permits messages of 32 MiB, to anybody, also signals that nobody wants. GDBus makes an
 * object of each value before a filter sees the message: one message of 16 million empty
 * signatures takes 2.7 GB and seconds, in which no other message is read, and GLib keeps that
 * memory. No method can use so much. So a thread passes the bytes of both directions on, message by
 * message, and drops what is larger than GATE_MESSAGE_MAX. A call is answered with an error.
 */
#pragma once

#include <gio/gio.h>

/* The largest arguments that a method takes (guard.c), and a header. */
#define GATE_MESSAGE_MAX (2u * 1024 * 1024 + 64u * 1024)

typedef struct Gate Gate;

/* Connects to the system bus. Blocks, as g_bus_get_sync(). */
GDBusConnection *gate_open_bus(Gate **ret_gate, GError **error);
/* Passes on what the process has sent, and closes the connection to the bus. NULL is fine. */
void gate_close(Gate *gate);
