/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * path-wait: waits until a path exists.
 *
 * inotify reports what appears in a folder. While folders of the path are missing, the last one
 * that exists is watched; GFileMonitor would look for them again and again instead. Main context
 * only.
 */
#pragma once

#include <glib.h>

typedef struct PathWait PathWait;

/* Calls `appeared` once, from the main loop; also if `path`, which is absolute, exists already.
 * NULL with an error: the kernel permits no more watches. */
PathWait *path_wait_new(const char *path, void (*appeared)(gpointer data), gpointer data,
                        GError **error);
/* Also from `appeared`. NULL is fine. */
void path_wait_free(PathWait *wait);
