/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pace: how machines are made ready, and how patient the host is with them, by their accelerator.
 *
 * An emulated machine translates code when it runs it first, and keeps a processor of the host busy
 * with that. Hence the first rounds of exercise are slow, and a restore slows down whoever has just
 * claimed a machine. Under KVM neither is true: a restore waits for libvirt most of its time. Code
 * takes 15 to 20 times as long, also that of an interpreter which handles an interrupt.
 */
#pragma once

#include <glib.h>

typedef struct {
    /* Between a claim and the restore that replaces the machine, because the caller uses the
     * machine now. */
    guint claim_pause_ms;
    guint exercises;  /* rounds in each restored machine */
    guint starts_min; /* concurrent restores, however few processors there are */
    guint grace_s;    /* from the interrupt of an interpreter to its kill */
} Pace;

const Pace *pace_of(gboolean emulated);

/* How many machines of a template may start at the same time: as many as the host has processors
 * while callers wait, and half as many otherwise, so that claims come first. */
guint pace_starts(const Pace *pace, guint processors, gboolean is_waited_for);
