/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runner-interrupt: stops what a runner executes. */
#include "runner-interrupt.h"

#include <signal.h>

#define INTERRUPT_EVERY_S 1

static gboolean
on_not_stopped(gpointer data)
{
    RunnerInterrupt *interrupt = data;

    if (++interrupt->count < GUEST_GRACE_S / INTERRUPT_EVERY_S) {
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
    interrupt->count = 0;
    guest_stream_signal(stream, SIGINT);
    interrupt->timer = g_timeout_add_seconds(INTERRUPT_EVERY_S, on_not_stopped, interrupt);
}

void
runner_interrupt_end(RunnerInterrupt *interrupt)
{
    g_clear_handle_id(&interrupt->timer, g_source_remove);
}
