/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-probe: what is read out of libvirt's and QEMU's words about themselves. Pure. */
#pragma once

#include "vm.h"

/* A new copy of what stands between the first `before` and the next `after`, or NULL. */
char *probe_between(const char *text, const char *before, const char *after);

/* The CPU that "host-model" means here, from libvirt's domain capabilities: its name and a digest
 * of all its features, e.g. "EPYC-Rome 5be1c0ffee55". NULL when they have none. */
char *probe_cpu_model(const char *capabilities);

/* "QEMU 7.2.22 (Debian …)" from the first line that QEMU prints about its version. */
char *probe_hypervisor(const char *version_output);

/* What of the host a KVM guest's kernel adapts itself to once, when it boots: kernel (of uname(2);
 * Debian's release does not change with each update, but its version does) and microcode. */
char *probe_host(const char *release, const char *version, const char *cpuinfo);

/* Of two sets of facts, the first that differs: what it is called, with both values; NULL: a
 * template that was made by `before` fits machines that are made by `now`. */
char *probe_find_change(const VmFacts *before, const VmFacts *now);
