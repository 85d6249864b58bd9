/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree: whole folders, for the initramfs: the runners are copied out of it, the rest is freed. */
#pragma once

/*
 * Copies folders and regular files of `from` into the existing `to`, owned by root, for all to
 * read, and to execute if their owner might. Anything else is left out.
 */
int tree_copy(const char *from, const char *to);

/* Removes all that is below `path` on the same file system, as far as possible. */
void tree_empty(const char *path);
