/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup: one cgroup per started process, below a given directory.
 *
 * A cgroup contains all descendants of a process, however often it forked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int cgroup_open(const char *directory);

/* Creates an empty cgroup; returns a descriptor of its directory, or -errno. */
int cgroup_create(uint64_t number);
/* Sends SIGKILL to all processes in it. */
void cgroup_kill(uint64_t number);
/* Whether the OOM killer killed a process in it. */
bool cgroup_ran_out_of_memory(uint64_t number);
/* Removes it. -EBUSY while it contains a process. */
int cgroup_remove(uint64_t number);
/* A descriptor that reports EPOLLPRI when the cgroup becomes empty, or -errno. */
int cgroup_watch(uint64_t number);
/* Makes a watched descriptor ready to report again. */
void cgroup_watch_again(int fd);
