/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code-stream: an execution as lines of JSON, while it happens (StreamCode of
 * dbus/org.cloche1.xml).
 *
 * What the reader does not take stays in the guest: nothing is thrown away. A reader that goes
 * interrupts the execution.
 */
#pragma once

#include "core.h"

/*
 * Executes the code; ends with core_end_process(core, charged). `writer` is of
 * complete_stream_open(), does not block, and is taken. It is in the set `streams` until nothing of
 * it is under way.
 */
void code_stream_start(GHashTable *streams, Core *core, guint32 charged,
                       GuestInterpreter *interpreter, const GuestCode *code, int writer);
/* What is under way is interrupted, and nobody hears of it. */
void code_stream_free(gpointer stream);
