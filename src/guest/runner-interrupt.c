/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runner-interrupt: stops what a runner executes. */
#include "runner-interrupt.h"

#include <signal.h>

static gboolean
on_not_stopped(gpointer data)
{
    RunnerInterrupt *interrupt = data;

    if (guest_stream_is_stopped(interrupt->stream))
        return G_SOURCE_CONTINUE;
    if (interrupt->count < RUNNER_INTERRUPTS) {
        interrupt->count++;
        guest_stream_signal(interrupt->stream, SIGINT);
        return G_SOURCE_CONTINUE;
    }
    interrupt->timer = 0;
    interrupt->has_killed = TRUE;
    guest_stream_kill(interrupt->stream);
    return G_SOURCE_REMOVE;
}

void
runner_interrupt_begin(RunnerInterrupt *interrupt, GuestStream *stream)
{
    runner_interrupt_end(interrupt);
    interrupt->stream = stream;
    interrupt->count = 1;
    interrupt->grace_s = guest_stream_grace_s(stream);
    guest_stream_signal(stream, SIGINT);
    interrupt->timer =
        g_timeout_add(interrupt->grace_s * 1000 / RUNNER_INTERRUPTS, on_not_stopped, interrupt);
}

void
runner_interrupt_end(RunnerInterrupt *interrupt)
{
    g_clear_handle_id(&interrupt->timer, g_source_remove);
}
