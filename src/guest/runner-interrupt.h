/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner-interrupt: stops what a runner executes.
 *
 * One SIGINT is not enough: code may catch it, and Python discards an exception that is raised
 * while an object is destroyed. So the signal is sent RUNNER_INTERRUPTS times in the time of
 * grace, and after it the runner is killed. A slow machine has more time between the signals, too,
 * because the next signal must not interrupt the code that handles the one before.
 */
#pragma once

#include "stream.h"

#define RUNNER_INTERRUPTS 5u

typedef struct {
    GuestStream *stream;
    guint timer; /* 0: nothing is being interrupted, or it was killed */
    guint count; /* of signals since the begin */
    guint grace_s;
    gboolean has_killed;
} RunnerInterrupt;

/* Sends the first SIGINT; starts again when it has begun already. */
void runner_interrupt_begin(RunnerInterrupt *interrupt, GuestStream *stream);
/* Must be called before the stream is freed. */
void runner_interrupt_end(RunnerInterrupt *interrupt);
