/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-kvm: whether the host should have KVM, and why it does not work. Pure. */
#pragma once

#include "vm.h"

/* Whether a processor has hardware virtualization: the flag vmx or svm in the text of
 * /proc/cpuinfo. */
gboolean kvm_is_promised(const char *cpuinfo);

/* The text of an error as one line of valid UTF-8 for people, without QEMU's time stamps, at most
 * KVM_REASON_MAX bytes: a new string, never empty. */
#define KVM_REASON_MAX 1000
char *kvm_reason(const char *text);

/* Why KVM does not work, judged by the end of a guest that should have powered off. NULL: it works.
 */
const char *kvm_end_reason(MachineEnd how);
