/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code-stream: an execution as lines of JSON while it happens (StreamCode in dbus/org.cloche1.xml).
 *
 * What the reader does not take stays in the guest: nothing is discarded. A reader that closes its
 * end interrupts the execution.
 */
#pragma once

#include "context.h"
#include "operation.h"

/* Executes the code. Returns the descriptor that the caller reads, which tells whether the stream
 * is complete (guest/complete-stream.h); -1 with an error. */
int core_stream_code(Sandbox *sandbox, Context *context, const GuestCode *code, GError **error);
