/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slots: jobs of which only some may be in progress, and the others wait.
 *
 * A job that begins takes a slot, which slots_release() returns when the job has ended. Each user
 * has a number of slots, and so have all users together. A user's jobs begin in the order of their
 * arrival. Users take turns: a user with a thousand jobs that wait delays the job of another user
 * by one job.
 */
#pragma once

#include <glib.h>

typedef struct Slots Slots;

/* `user_max`, `all_max`: the slots of each user, and of all. `begin` begins a job. */
Slots *slots_new(guint user_max, guint all_max, void (*begin)(gpointer job));
/* No job may wait. */
void slots_free(Slots *slots);

/* Begins the job, at once or in its turn. */
void slots_add(Slots *slots, guint32 uid, gpointer job);
/* Forgets a job that waits. Returns FALSE if it has begun. */
gboolean slots_remove(Slots *slots, guint32 uid, gpointer job);
/* A job of the user has ended. Begins those that may begin now. */
void slots_release(Slots *slots, guint32 uid);
