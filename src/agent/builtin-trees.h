/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-trees: removing directories, also for other tasks. */
#pragma once

/* Removes a file, or a directory with all that is in it. Fails as tasks do. */
void builtin_remove_tree(const char *path);
