/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-domain-xml: a machine's description for libvirt. Pure: no I/O, no libvirt. */
#pragma once

#include "vm.h"

/* All that a description is made from. In the spec, `disk`, `ram`, `socket` and `console` may be
 * NULL here: such a machine lacks this part (the probe's has no disk, channel or RAM file). */
typedef struct {
    const MachineSpec *spec;
    const VmFacts *facts; /* machine_type, accelerator and emulated are used */
    const char *uuid;
    const char *kernel;         /* the spec's, or a stub of it (vm-stub.h) */
    const char *kernel_options; /* more options for the kernel's command line, or NULL */
    gboolean in_slice;          /* systemd's cloche.slice contains the machine */
    gboolean is_unprivileged;   /* libvirt is not root, and can change no owner */
    gboolean ram_read_only;     /* QEMU can map a file that it may not write (8.2) */
} DomainPlan;

char *domain_xml(const DomainPlan *plan);
/* The description of a machine that boots, without the values that differ between machines: equal
 * for machines that can share a template. */
char *domain_definition(const VmFacts *facts);
