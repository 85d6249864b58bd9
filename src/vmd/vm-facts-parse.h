/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-facts-parse: parsers of the texts by which libvirt, QEMU and the kernel describe themselves.
 * Pure. */
#pragma once

#include <glib.h>

/* A new copy of the text between the first `before` and the next `after`, or NULL. */
char *facts_between(const char *text, const char *before, const char *after);

/* What "host-model" means on this host, from libvirt's domain capabilities: the name of the CPU and
 * a digest of all its features, e.g. "EPYC-Rome 5be1c0ffee55". NULL when they contain none. */
char *facts_cpu_model(const char *capabilities);

/* The CPU model of emulated machines. The CPU is QEMU's own, but its clock runs at the host's rate,
 * which a guest measures once, when it boots. So the model names the host's processor. */
char *facts_emulated_cpu_model(const char *cpuinfo);

/* "QEMU 7.2.22 (Debian …)" from the first line that QEMU prints about its version, or NULL. */
char *facts_hypervisor(const char *version_output);

/* The properties of the host that a KVM guest's kernel reads once, when it boots: kernel (of
 * uname(2); Debian's release does not change with each update, but its version does) and microcode.
 */
char *facts_host(const char *release, const char *version, const char *cpuinfo);
