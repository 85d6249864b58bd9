/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stranger: reads a descriptor that a caller passed.
 *
 * It may be anything, its flags are shared with the caller, and other processes may read from it,
 * too. So a thread reads it, and sockets and pipes are read without blocking, whatever poll()
 * reported. Other files (a terminal, a network file system) can block in read() for as long as
 * their owner wants; whoever is charged for the thread must stay charged until it has ended.
 */
#pragma once

#include <glib.h>

typedef struct Stranger Stranger;

/*
 * Takes `fd`. *ret_fd is a non-blocking descriptor with its bytes; when reading `fd` fails, that
 * ends with ECONNRESET. The thread ends when `fd` has ended, or *ret_fd is closed and `fd` does not
 * block. Then the main context calls `gone`: no thread and descriptor of it are left, and the
 * Stranger is freed. NULL with an error.
 */
Stranger *stranger_new(int fd, int *ret_fd, void (*gone)(gpointer data), gpointer data,
                       GError **error);
/* `gone` is not called any more. */
void stranger_leave(Stranger *stranger);
