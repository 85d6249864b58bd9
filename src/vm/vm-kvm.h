/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-kvm: whether KVM is to be expected, why it does not work, and when to try again. Pure. */
#pragma once

#include "vm.h"

/* Whether a processor has hardware virtualization: the flag vmx or svm in the text of
 * /proc/cpuinfo. */
gboolean kvm_is_promised(const char *cpuinfo);

/* The text of an error as one line of valid UTF-8 for people, without the times that QEMU writes,
 * at most KVM_REASON_MAX bytes: a new string, never empty. */
#define KVM_REASON_MAX 1000
char *kvm_reason(const char *text);

/* Why a guest that was to power off under KVM, and ended so, shows that KVM does not work. NULL: it
 * works. */
const char *kvm_end_reason(MachineEnd how);

/* The pause before the next try, after so many in a row that failed (at least one). */
guint kvm_pause_s(guint failures);
