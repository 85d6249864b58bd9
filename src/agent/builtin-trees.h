/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-trees: removes directories for other tasks. */
#pragma once

/* Removes a file, or a directory with its content. An error ends the task. */
void builtin_remove_tree(const char *path);
