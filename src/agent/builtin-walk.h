/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-walk: walking directories by descriptors. */
#pragma once

#include <stddef.h>

/* Levels that a walk goes down. */
#define WALK_DEPTH_MAX 8192u

/* The names from where a walk began. */
typedef struct WalkPath {
    const struct WalkPath *parent;
    const char *name;
    unsigned depth;
} WalkPath;

/* Ends the task: this could not be done. */
_Noreturn void walk_fail(int error, const WalkPath *path);
/* One level down, within bounds. */
void walk_enter(WalkPath *path, const WalkPath *parent, const char *name);
/* A directory that is no symbolic link; -1 with errno. */
int walk_open(int parent_fd, const char *name);
/* Before a walk that may go deep. */
void walk_prepare(void);
/* A directory's entries, sorted by bytes. */
char **walk_names(int fd, size_t *ret_count);
void walk_free_names(char **names, size_t count);
