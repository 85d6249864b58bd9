/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * children: who gets an interrupt beside the runner: what the interrupted code has started, and
 * what that has started, as on a terminal. Who has left the runner's process group does not
 * (`detached`), nor what was there before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct {
    pid_t *ids;
    size_t count;
} Children;

/* Takes down the children that the main thread has now, in the place of what was noted before. */
void children_note(Children *children);

/* To those of the main thread that are not among `before`, and all their descendants. Children that
 * have left the process group are spared unless `is_detached_too`. */
void children_signal(const Children *before, bool is_detached_too, int number);
