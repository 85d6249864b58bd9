/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pace: how machines are made ready, by their accelerator.
 *
 * An emulated machine translates code when it runs it first, and keeps a processor of the host busy
 * with that. Hence the first rounds of exercise are slow, and a restore slows down whoever has just
 * claimed a machine. Under KVM neither is true: a restore waits for libvirt most of its time.
 */
#pragma once

#include <glib.h>

typedef struct {
    /* Between a claim and the restore that makes up for it: whoever claimed a machine uses it now.
     */
    guint claim_pause_ms;
    guint exercises;  /* rounds, in each machine that is restored */
    guint starts_min; /* restores at once, however few processors there are */
} Pace;

const Pace *pace_of(gboolean emulated);

/* How many machines of a template may be starting at once. While callers wait, all of the host's
 * processors help; in the background half of them, so that claims come first. */
guint pace_starts(const Pace *pace, guint processors, gboolean is_waited_for);
