/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * master: serves cloched, and passes its messages to workers.
 *
 * It sees no byte of a guest or of the internet. Workers continue when cloched's connection ends;
 * the next cloched lists them.
 */
#pragma once

#include <glib.h>

#include "resolver-link.h"
#include "store.h"

typedef struct Master Master;

/* Takes `spawner` (spawner_start()). Does not take the others, which must outlive it. `on_end`:
 * the connection to cloched has ended; `on_lost`: the spawner has ended, and all workers with
 * it. */
Master *master_new(int spawner, Store *store, ResolverLink *resolver, void (*on_end)(gpointer data),
                   void (*on_lost)(gpointer data), gpointer data);
void master_free(Master *master);

/* Serves cloched on `fd`, instead of the connection before. */
void master_accept(Master *master, int fd);
