/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate-header: what the gate reads of a D-Bus message that GDBus does not get to see. */
#pragma once

#include <gio/gio.h>

/* The fixed part at the beginning of each message. */
#define GATE_HEADER_FIXED 16u

typedef struct {
    gsize header; /* bytes of the header, with its padding */
    guint64 all;  /* of the message */
} GateSize;

/* FALSE: this is no message of D-Bus. `bytes`: GATE_HEADER_FIXED. */
gboolean gate_header_size(const guint8 *bytes, GateSize *ret);

/* Returns the error with which a call is refused that is too large; NULL: it is not a call, or its
 * caller expects no answer. `bytes`: the whole header, which a stranger wrote. `most`: bytes that a
 * message may have. */
GDBusMessage *gate_header_refuse(const guint8 *bytes, gsize size, guint most);
