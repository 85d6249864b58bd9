/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch: makes the descriptors and the cgroup of a child, and forks it.
 */
#pragma once

#include <sys/types.h>

#include "child.h"
#include "stream.h"

typedef struct {
    ProcessStream *stream; /* receives the agent's ends */
    uint32_t flags;
    uint32_t columns, rows; /* START_TERMINAL */
    uint64_t number;        /* of the cgroup */
    Source *report;         /* reads a ChildError, or the end of file after exec */
    SourceReady on_report;
} Launch;

/* Call it once, before launch_child(). */
int launch_open(void);
/* Fills in the rest of `child` and starts it. Its pid, or -errno; on failure everything is undone
 * except for the descriptors that the stream received. */
pid_t launch_child(const Launch *launch, Child *child);
/* The name of the resource that was exhausted when launch_child() failed with this error. */
const char *launch_resource(int error);
