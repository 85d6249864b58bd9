/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox-clock: the clock of a sandbox, right for as long as it lives.
 *
 * The claim sets it. Then it drifts: under KVM a guest's clock does not follow the corrections of
 * the host's (some 10 ms in ten minutes), and it stands still while the machine does. Machines that
 * wait in a pool are left alone, for an idle machine must cost nothing.
 */
#include "sandbox-clock.h"

#include "core-private.h"
#include "util.h"

static void
on_due(gpointer data)
{
    Sandbox *sandbox = data;

    sandbox->clock = NULL; /* it is over, says deadline.h */
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
