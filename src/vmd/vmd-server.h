/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmd-server: answers the requests of one cloched at a time.
 *
 * Machines continue when the connection ends: the next cloched adopts them.
 */
#pragma once

#include "vmd-check.h"

typedef struct VmdServer VmdServer;

/* `config` and `vm` must live as long as the server. `on_end` is called when a connection has
 * ended. */
VmdServer *vmd_server_new(const VmdConfig *config, Vm *vm, void (*on_end)(gpointer data),
                          gpointer data);
/* Machines continue; what is under way must have ended. */
void vmd_server_free(VmdServer *server);

/* Serves a connection, instead of the present one. Takes `fd`. */
void vmd_server_accept(VmdServer *server, int fd);
