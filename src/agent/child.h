/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * child: the steps of a new process between fork and exec.
 *
 * Users of the guest may have changed accounts, directories and programs. Only the child accesses
 * them, so they cannot block the agent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

typedef struct {
    const char *user;
    const char *cwd;
    char *const *argv;
    char *const *environment[2]; /* the claim's, then the request's; may be NULL */
    int fds[_WIRE_CHANNELS];     /* become descriptors 0 to 3; the last may be -1 */
    int report_fd;               /* close-on-exec; the child writes a ChildError to it on failure */
    int cgroup_fd;               /* directory */
    bool joins_cgroup; /* the child was not created in the cgroup and moves itself there */
    bool has_terminal; /* fds 0 to 2 are a terminal, which becomes the controlling terminal */
    void (*task)(char *const *argv); /* called with argv; NULL: argv is a program */
} Child;

/* At most PIPE_BUF bytes, so that a write is atomic. */
typedef struct {
    int32_t error; /* positive */
    uint32_t about;
    char name[4000]; /* of the object; "": the object that the request names */
} ChildError;

/* The child's descriptor for a ChildError; exec closes it. */
#define CHILD_REPORT_FD 4

/* The agent's own descriptors are at least this, so the lower ones are free for a child. */
#define CHILD_FDS_MIN 5

_Noreturn void child_run(const Child *child);
/* Reports the error and ends the child before the program has started. `name` may be NULL. */
_Noreturn void child_fail(int error, WireObject about, const char *name);
