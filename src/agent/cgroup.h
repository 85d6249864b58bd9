/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup: one directory per process, below one that is given.
 *
 * It is how everything that a process started is found again, however often it forked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int cgroup_open(const char *directory);

/* Makes an empty one; returns a descriptor of its directory, or -errno. */
int cgroup_create(uint64_t number);
/* SIGKILL to everything in it. */
void cgroup_kill(uint64_t number);
/* Did the kernel kill something in it for want of memory? */
bool cgroup_ran_out_of_memory(uint64_t number);
/* Removes it, or returns -EBUSY while something lives in it. */
int cgroup_remove(uint64_t number);
/* A descriptor that reports EPOLLPRI when it becomes empty, or -errno. */
int cgroup_watch(uint64_t number);
/* Makes a watched descriptor ready to report again. */
void cgroup_watch_again(int fd);
