/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meter: how far a transfer is, on standard error: a line that changes on a terminal, one now and
 * then elsewhere. */
#pragma once

#include <glib.h>

typedef struct Meter Meter;
typedef guint64 (*MeterCount)(gpointer data);

/* Shows from then on, while the main loop runs, what `count` gives, of `size` bytes (0: nobody
 * knows), of the file or directory at the path. */
Meter *meter_new(const char *path, guint64 size, MeterCount count, gpointer data);
void meter_free(Meter *meter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Meter, meter_free)
