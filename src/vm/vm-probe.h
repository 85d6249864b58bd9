/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-probe: what is read out of libvirt's and QEMU's words about themselves. Pure. */
#pragma once

#include <glib.h>

/* A new copy of what stands between the first `before` and the next `after`, or NULL. */
char *probe_between(const char *text, const char *before, const char *after);

/* The CPU that "host-model" means here, from libvirt's domain capabilities: its name and a digest
 * of all its features, e.g. "EPYC-Rome 5be1c0ffee55". NULL when they have none. */
char *probe_cpu_model(const char *capabilities);

/* "QEMU 7.2.22 (Debian …)" from the first line that QEMU prints about its version. */
char *probe_hypervisor(const char *version_output);
