/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fake: machines that are the real agent in namespaces of this machine.
 *
 * Each has a process of its own (fake-machine.c), so that it outlives the daemon as a QEMU does,
 * and records (fake-record.h), so that the next life of the daemon finds it. A test steers it by
 * files in the folder that the environment variable CLOCHE_FAKE_DIR names, beside those records:
 *
 *   fail    a number: so many starts fail from now on
 *   hold    a FIFO: every start waits, its machine paused, until somebody has opened it for writing
 *   agent   the path of a program to start instead of the agent
 *   away    libvirt does not answer: starts, adoptions and sweeps fail, ends wait, until it is gone
 *   kvm     a number: KVM works after so many probes that fail from now on; without the file it
 *           does not work
 *   virtualization  the processor has it
 *   tried   written by the fake: how many probes there were
 *   test    a FIFO: machines end when nobody has it open for writing
 *
 * A machine whose agent exits with 0 was shut down, with FAKE_PANIC it panicked, and one whose
 * agent ended in another way has died.
 */
#pragma once

#include "vm.h"

#define FAKE_PANIC 86

typedef struct {
    const char *program;         /* fake-machine */
    const char *agent, *runners; /* for it */
    const char *control;         /* the folder */
} FakeConfig;

/* All strings are absolute paths, and live as long as the Vm. */
Vm *vm_fake_open(const FakeConfig *config, GError **error);
