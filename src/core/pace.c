/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pace: one table for each kind of accelerator. */
#include "pace.h"

static const Pace emulated_pace = {
    .claim_pause_ms = 150, .exercises = 3, .starts_min = 1, .grace_s = 20};
static const Pace kvm_pace = {.claim_pause_ms = 20, .exercises = 1, .starts_min = 2, .grace_s = 5};

const Pace *
pace_of(gboolean emulated)
{
    return emulated ? &emulated_pace : &kvm_pace;
}

guint
pace_starts(const Pace *pace, guint processors, gboolean is_waited_for)
{
    return MAX(pace->starts_min, is_waited_for ? processors : processors / 2);
}
