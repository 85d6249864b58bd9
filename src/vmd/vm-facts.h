/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-facts: what a template's state depends on, as libvirt and QEMU report it. */
#pragma once

#include <libvirt/libvirt.h>

#include "vm-facts-value.h"

/* The facts by which a Vm makes machines. */
typedef struct {
    VmFacts facts;          /* the strings are owned; accelerator is NULL before the first probe */
    gboolean ram_read_only; /* QEMU can map a file that it may not write */
    gint checked_opening;   /* atomic; the last opening of the connection at which the facts were
                               found to hold; 0: none */
} KnownFacts;

/* libvirt's domain capabilities for machines of this type ("kvm" or "qemu"), or NULL with an error
 * of libvirt. Blocks. */
char *facts_ask_capabilities(virConnectPtr libvirt, const char *type);

/* Fills in all that depends on the accelerator, which `facts` names already; on failure some
 * strings may be set. Blocks. */
gboolean facts_fill(VmFacts *facts, const char *capabilities, GError **error);

/* The present facts for the accelerator of `known`. The caller calls facts_clear(). Blocks. */
gboolean facts_ask(virConnectPtr libvirt, const VmFacts *known, VmFacts *ret, GError **error);

/*
 * Whether new machines still have the facts that the probe found: libvirt may have been upgraded,
 * with QEMU or the microcode, while this service runs. Asks once per opening of the connection:
 * `opening` is the count of openings before the call. FALSE with CLOCHE_ERROR_TEMPLATE_NOT_READY
 * when a fact has changed. Blocks.
 */
gboolean facts_check(KnownFacts *known, virConnectPtr libvirt, guint opening, GError **error);
