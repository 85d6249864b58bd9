/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fake: machines that are the real agent in namespaces of this machine.
 *
 * A test steers it by files in the folder that the environment variable CLOCHE_FAKE_DIR names:
 *
 *   fail    a number: so many starts fail from now on
 *   hold    a FIFO: every start waits until somebody has opened it for writing
 *   agent   the path of a program to start instead of the agent
 *
 * A machine whose agent exits with 0 was shut down, with FAKE_PANIC it panicked, and one whose
 * agent ended in another way has died.
 */
#pragma once

#include "vm.h"

#define FAKE_PANIC 86

/* `agent`, `runners` and `directory` (absolute) live as long as the Vm. The cgroups of its machines
 * are below cloche-fake-PID, which it makes and vm_close() removes. */
Vm *vm_fake_open(const char *agent, const char *runners, const char *directory, GError **error);
