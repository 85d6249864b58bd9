/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * child: from the fork to the program.
 *
 * Everything that touches what the guest's users may have changed (accounts, directories, programs)
 * happens in the child, so that nothing they put there can hold up the agent.
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
    int fds[_WIRE_CHANNELS];     /* what becomes 0 to 3; the last may be -1 */
    int report_fd;               /* close-on-exec: takes a ChildError, or nothing */
    int cgroup_fd;               /* directory */
    bool joins_cgroup;           /* it was not born in it */
    bool has_terminal;           /* fds 0 to 2 are one, which becomes its controlling terminal */
    void (*task)(char *const *argv); /* called with argv; NULL: argv is a program */
} Child;

/* No more than a pipe takes in one piece. */
typedef struct {
    int32_t error; /* positive */
    uint32_t about;
    char name[4000]; /* of the object; "": the one that the request names */
} ChildError;

/* Where the agent hears why there is no program; closed at its execution. */
#define CHILD_REPORT_FD 4

/* The agent's own descriptors are above these, so that a child can put its own here. */
#define CHILD_FDS_MIN 5

_Noreturn void child_run(const Child *child);
/* Ends the child; what was asked for was never there. `name` may be NULL. */
_Noreturn void child_fail(int error, WireObject about, const char *name);
