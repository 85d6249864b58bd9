/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner-interrupt: stops what a runner executes.
 *
 * One SIGINT is not enough: code may catch it, and Python discards an exception that is raised
 * while an object is destroyed. So the signal is sent each second, and after GUEST_GRACE_S the
 * runner is killed.
 */
#pragma once

#include "stream.h"

/* From the first interrupt to the kill of a runner that does not stop. */
#define GUEST_GRACE_S 5

typedef struct {
    GuestStream *stream;
    guint timer; /* 0: nothing is being interrupted, or it was killed */
    guint count; /* of signals since the begin */
    gboolean has_killed;
} RunnerInterrupt;

/* Sends the first SIGINT; starts again when it has begun already. */
void runner_interrupt_begin(RunnerInterrupt *interrupt, GuestStream *stream);
/* Must be called before the stream is freed. */
void runner_interrupt_end(RunnerInterrupt *interrupt);
