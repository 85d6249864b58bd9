/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-walk: walks directories by descriptors. */
#pragma once

#include <stddef.h>

/* The maximum depth of a walk. */
#define WALK_DEPTH_MAX 8192u

/* The path of an entry, beginning with the path of the root, as a list of names. */
typedef struct WalkPath {
    const struct WalkPath *parent;
    const char *name;
    unsigned depth;
} WalkPath;

/* Ends the task with an error about this path. */
_Noreturn void walk_fail(int error, const WalkPath *path);
/* Makes the path of an entry of `parent`; ends the task beyond WALK_DEPTH_MAX. */
void walk_enter(WalkPath *path, const WalkPath *parent, const char *name);
/* Opens a directory; does not follow a symbolic link. -1 with errno. */
int walk_open(int parent_fd, const char *name);
/* Raises the limit of descriptors; call it before a walk. */
void walk_prepare(void);
/* The entries of a directory, sorted by bytes. */
char **walk_names(int fd, size_t *ret_count);
void walk_free_names(char **names, size_t count);
