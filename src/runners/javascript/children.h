/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * children: the processes that get an interrupt in addition to the runner: as on a terminal, the
 * children of the interrupted code and their descendants. Processes that have left the runner's
 * process group (`detached`) do not get it, nor do children of earlier executions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct {
    pid_t *ids;
    size_t count;
} Children;

/* Replaces the list by the current children of the main thread. */
void children_note(Children *children);

/* Signals the children of the main thread that are not among `before`, and all their descendants.
 * Children that have left the process group are spared unless `is_detached_too`. */
void children_signal(const Children *before, bool is_detached_too, int number);
