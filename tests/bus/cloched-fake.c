/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cloched-fake: cloched with fake machines.
 *
 * FAKE_MACHINE is the program of fake-machine, CLOCHE_AGENT the agent, CLOCHE_RUNNERS the folder of
 * the runners, and CLOCHE_FAKE_DIR the folder in which a test controls the machines (vm-fake.h).
 * FAKE_CLOCK_MS sets how often the service sets clocks. FAKE_EGRESS is the socket of cloche-egress;
 * without it, sandboxes have no network.
 */
#include <stdlib.h>

#include "daemon.h"
#include "vm-fake.h"

static FakeConfig fake;

static Vm *
open_fake(Config *config, GError **error)
{
    const char *clock_ms = getenv("FAKE_CLOCK_MS");

    if (clock_ms)
        config->core.clock_interval_us = atoll(clock_ms) * 1000;
    fake = (FakeConfig){
        .program = getenv("FAKE_MACHINE"),
        .agent = getenv("CLOCHE_AGENT"),
        .runners = getenv("CLOCHE_RUNNERS"),
        .control = getenv("CLOCHE_FAKE_DIR"),
    };
    return vm_fake_open(&fake, error);
}

static Egress *
open_egress(const Config *config)
{
    const EgressAccess access = {.socket = getenv("FAKE_EGRESS")};

    return access.socket ? egress_open(&access) : NULL;
}

int
main(int argc, char **argv)
{
    return daemon_main(argc, argv, open_fake, open_egress);
}
