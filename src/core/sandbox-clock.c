/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox-clock: keeps the clock of a sandbox right for as long as it lives.
 *
 * The claim sets the clock. Then it drifts: under KVM a guest's clock does not follow the
 * corrections of the host's clock (some 10 ms in ten minutes), and it stops while the machine is
 * stopped. The clocks of machines in a pool are not set, because an idle machine must cost nothing.
 */
#include "sandbox-clock.h"

#include "core-private.h"
#include "util.h"

static void
on_due(gpointer data)
{
    Sandbox *sandbox = data;

    sandbox->clock = NULL; /* deadline.c frees it */
    sandbox_clock_set(sandbox);
}

void
sandbox_clock_start(Sandbox *sandbox)
{
    gint64 due_us = util_boottime_us() + sandbox->core->config.clock_interval_us;

    sandbox_clock_stop(sandbox);
    sandbox->clock = deadline_add(sandbox->core->deadlines, due_us, on_due, sandbox);
}

void
sandbox_clock_set(Sandbox *sandbox)
{
    guest_link_set_clock(instance_link(sandbox->instance));
    sandbox_clock_start(sandbox);
}

void
sandbox_clock_stop(Sandbox *sandbox)
{
    if (sandbox->clock)
        deadline_remove(g_steal_pointer(&sandbox->clock));
}
