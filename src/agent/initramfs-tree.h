/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* initramfs-tree: copies the runners out of the initramfs, and frees the rest. */
#pragma once

/*
 * Copies folders and regular files of `from` into the existing `to`. The copies belong to root and
 * are readable for all, and executable for all if their owner could execute them. Other types are
 * skipped.
 */
int tree_copy(const char *from, const char *to);

/* Removes the content of `path` on the same file system, as far as possible. */
void tree_empty(const char *path);
