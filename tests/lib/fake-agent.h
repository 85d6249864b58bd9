/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-agent: the real agent on this machine's kernel.
 *
 * It is PID 1 of new namespaces (pid, mount, UTS, IPC, perhaps network) and has private copies of
 * the files that a claim writes; it shares all other files with this machine. It needs root and
 * cgroup2, starts within milliseconds, and leaves nothing after fake_agent_reap().
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Returns the directory where cgroup2 is mounted on this machine, or NULL. */
const char *fake_agent_cgroup_root(void);

typedef struct {
    const char *path;       /* of the program */
    const char *cgroup_dir; /* absolute; is created */
    const char *runners;    /* NULL, or the agent has a private /run, with this folder as
                               /run/cloche/runners */
    int net_listener;       /* -1, or the agent has a network namespace, whose connections go to the
                               host that connects to this listening socket */
} FakeAgent;

/*
 * Starts the agent, and returns its process id when it runs, or -1 with an error. *ret_fd is the
 * host's end of its stream, a blocking close-on-exec socket. The agent ends when that socket is
 * closed.
 */
pid_t fake_agent_spawn(const FakeAgent *agent, int *ret_fd, GError **error);

/*
 * Kills the agent and everything that it started, waits for it, and removes its cgroup. Returns its
 * wait status. The caller must not have waited for `pid` before.
 */
int fake_agent_reap(pid_t pid, const char *cgroup_dir);

/* Does the same for an agent whose parent has ended: kills everything in the cgroup, and removes
 * it. */
void fake_agent_clear(const char *cgroup_dir);
