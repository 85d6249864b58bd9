/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fake: machines that are the real agent in namespaces of this machine.
 *
 * Each machine has its own process (fake-machine.c), so it outlives the daemon as a QEMU does, and
 * records (fake-record.h), so the next instance of the daemon finds it. A test controls it by files
 * in the folder that the environment variable CLOCHE_FAKE_DIR names, beside those records:
 *
 *   fail            a number: this many of the next starts fail
 *   hold            a FIFO: every start waits, with its machine paused, until it is opened for
 *                   writing
 *   agent           the path of a program to start instead of the agent
 *   away            if it exists, libvirt does not answer: starts and probes fail, and adoptions,
 *                   sweeps and ends of machines wait
 *   kvm             a number: KVM works after this many failed probes; without the file, KVM
 *                   does not work
 *   virtualization  if it exists, the processor has virtualization
 *   capture-fails   a number: this many of the next captures fail, as without cloche-vm's privilege
 *   capture-hold    a FIFO: every capture waits, with its machine stopped, until it was opened for
 *                   writing and closed
 *   release-fails   a number: so often, the processors of a captured machine have run too early
 *   tried           written by the fake: the number of probes
 *   test            a FIFO: machines end when no process has it open for writing
 *
 * An agent that exits with 0 means that its machine was shut down, and FAKE_PANIC that it panicked.
 * Any other end of the agent means that the machine died.
 */
#pragma once

#include "vm.h"

#define FAKE_PANIC 86

typedef struct {
    const char *program;         /* the path of fake-machine */
    const char *agent, *runners; /* its arguments */
    const char *control;         /* the control folder */
} FakeConfig;

/* All strings are absolute paths, and live as long as the Vm. */
Vm *vm_fake_open(const FakeConfig *config, GError **error);
