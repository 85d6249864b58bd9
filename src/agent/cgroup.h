/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup: one cgroup per started process, below a given directory.
 *
 * A cgroup contains all descendants of a process, however often it forked. The cgroups are in the
 * subdirectory CGROUP_OPERATIONS, which is frozen as a whole, so that a process that is started
 * meanwhile is frozen, too. Those with CGROUP_AWAKE in their number are beside it. The agent and
 * its children for the network and for QUIESCE are in none of these. A process that root of the
 * guest has moved elsewhere is not frozen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_OPERATIONS "operations"
/* In the number of a cgroup: it is not frozen. */
#define CGROUP_AWAKE (UINT64_C(1) << 63)

/* Makes the subdirectory unless it exists. */
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

/* Begins to freeze all cgroups but those with CGROUP_AWAKE, or thaws them. */
int cgroup_freeze(bool is_on);
/* A descriptor that reports EPOLLPRI when the last process has been frozen, or -errno. */
int cgroup_watch_frozen(void);
/* Whether all processes are frozen. Makes the descriptor ready to report again. */
bool cgroup_is_frozen(int fd);
