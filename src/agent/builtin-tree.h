/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-tree: walking directories by descriptors. */
#pragma once

#include "builtin-file.h"
#include "builtin.h"

/* Levels that a walk goes down. */
#define TREE_DEPTH_MAX 8192u

/* The names from where a walk began. */
typedef struct TreePath {
    const struct TreePath *parent;
    const char *name;
    unsigned depth;
} TreePath;

/* Ends the task: this could not be done. */
_Noreturn void tree_fail(int error, const TreePath *path);
/* One level down, within bounds. */
void tree_enter(TreePath *path, const TreePath *parent, const char *name);
/* A directory that is no symbolic link; -1 with errno. */
int tree_open(int parent_fd, const char *name);
/* Before a walk that may go deep. */
void tree_prepare(void);
/* A directory's entries, sorted by bytes. */
char **tree_names(int fd, size_t *ret_count);
void tree_free_names(char **names, size_t count);
