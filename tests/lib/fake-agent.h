/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-agent: the real agent, on this machine's kernel.
 *
 * It is PID 1 of new namespaces (pid, mount, UTS, IPC) and sees private copies of the files that a
 * claim writes; all other files are this machine's. It needs root and cgroup2, starts within
 * milliseconds, and leaves nothing after fake_agent_reap().
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The directory where cgroup2 is mounted on this machine, or NULL. */
const char *fake_agent_cgroup_root(void);

/*
 * Starts the agent at `agent_path` with the new cgroup `cgroup_dir` (absolute), and returns when it
 * runs: its process id, and in *ret_fd the host's end of its stream, a close-on-exec socket that
 * blocks. -1 with an error. The agent ends when that socket is closed.
 *
 * `runners`, unless NULL, is a folder that it sees as /run/cloche/runners, in a /run of its own.
 */
pid_t fake_agent_spawn(const char *agent_path, const char *cgroup_dir, const char *runners,
                       int *ret_fd, GError **error);

/*
 * Kills the agent and all that it started, waits for it, and removes its cgroup. Returns its wait
 * status. `pid` must not have been waited for before.
 */
int fake_agent_reap(pid_t pid, const char *cgroup_dir);

/* The same for one whose parent is gone: kills all that is in the cgroup, and removes it. */
void fake_agent_clear(const char *cgroup_dir);
