/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slots: a number of jobs may be in progress, and further jobs wait.
 *
 * A job that begins takes a slot, which slots_release() returns when the job has ended. Each party
 * (a user, a sandbox) has a number of slots, and so have all parties together. A party's jobs begin
 * in the order of their arrival. Parties take turns: one with a thousand jobs that wait delays a
 * job of another party by one job.
 */
#pragma once

#include <glib.h>

typedef struct Slots Slots;

/* `each_max`, `all_max`: the slots of each party, and of all. `begin` begins a job that has
 * waited. */
Slots *slots_new(guint each_max, guint all_max, void (*begin)(gpointer job));
Slots *slots_ref(Slots *slots);
/* NULL is fine. When the last reference is returned, no job may wait. */
void slots_unref(Slots *slots);

/* Returns TRUE if the job has a slot now: the caller begins it. Otherwise the job waits, and the
 * function `begin` begins it in its turn. */
gboolean slots_take(Slots *slots, gpointer key, gpointer job);
/* Forgets a job that waits. Returns FALSE if it has begun. */
gboolean slots_remove(Slots *slots, gpointer key, gpointer job);
/* A job of the party has ended. Begins those that may begin now. */
void slots_release(Slots *slots, gpointer key);
