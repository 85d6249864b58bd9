/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meter: the progress of a transfer, on standard error: one line that changes on a terminal, and
 * otherwise a line every ten seconds. */
#pragma once

#include <glib.h>

typedef struct Meter Meter;
typedef guint64 (*MeterCount)(gpointer data);

/* Shows the progress from now on, while the main loop runs: `count` returns the bytes of the file
 * or directory at the path that were moved, out of `size` (0: unknown). */
Meter *meter_new(const char *path, guint64 size, MeterCount count, gpointer data);
void meter_free(Meter *meter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Meter, meter_free)
