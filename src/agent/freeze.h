/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * freeze: stops the processes that the host started, and lets them continue.
 *
 * The host freezes a machine before it takes a snapshot of it, and thaws it afterwards. A machine
 * that was restored from the snapshot is frozen: it gets a new identity and the time before any
 * user code is executed.
 *
 * A process that waits for a device or a file system cannot be frozen before its wait ends. So the
 * time for it is bounded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FREEZE_TIMEOUT_MS 500

/* Answers a WIRE_FREEZE, perhaps after it has returned. */
void freeze_start(uint32_t stream);
/* Sets the clock, and lets the processes continue, whether the clock could be set or not. A freeze
 * that was not answered fails. Returns the result of setting the clock. */
int freeze_thaw(uint64_t realtime_ns);
/* Nobody waits for the answer of a freeze any more: undoes it. */
void freeze_forget(void);

/* Whether a WIRE_FREEZE was answered with OK, and no thaw has followed. */
bool freeze_is_complete(void);
