/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch: from a request to a child: its descriptors, its cgroup, and the fork.
 */
#pragma once

#include <sys/types.h>

#include "child.h"
#include "stream.h"

typedef struct {
    Stream *stream; /* gets the agent's ends */
    uint32_t flags;
    uint32_t columns, rows; /* START_TERMINAL */
    uint64_t number;        /* of the cgroup */
    Source *report;         /* reads a ChildError, or its end */
    SourceReady on_report;
} Launch;

/* Once, before all others. */
int launch_open(void);
/* Fills in the rest of `child` and starts it. Its pid, or -errno; then nothing is left, but for
 * what the stream was given. */
pid_t launch_child(const Launch *launch, Child *child);
/* What the guest has no more of, when that failed so. */
const char *launch_resource(int error);
