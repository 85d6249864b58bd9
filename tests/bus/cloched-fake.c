/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cloched-fake: all of cloched, but for its machines.
 *
 * CLOCHE_AGENT is the agent's program, CLOCHE_RUNNERS the folder of the runners, and
 * CLOCHE_FAKE_DIR where a test steers the machines (vm-fake.h).
 */
#include <stdlib.h>

#include "daemon.h"
#include "vm-fake.h"

static Vm *
open_fake(const Config *config, GError **error)
{
    return vm_fake_open(getenv("CLOCHE_AGENT"), getenv("CLOCHE_RUNNERS"), getenv("CLOCHE_FAKE_DIR"),
                        error);
}

int
main(int argc, char **argv)
{
    return daemon_main(argc, argv, open_fake);
}
