/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch-host: a host with an empty store in a folder of its own, for tests. */
#pragma once

#include "host.h"

typedef struct {
    char *dir;
    Store *store; /* DIR/state, DIR/ram and DIR/run */
    Host host;    /* without libvirt */
} ScratchHost;

void scratch_host_init(ScratchHost *scratch);
/* Removes the folder. */
void scratch_host_clear(ScratchHost *scratch);
