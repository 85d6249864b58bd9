/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process-ends: pairs of descriptors for the streams of a process.
 *
 * They are sockets. A pipe has one lock for both ends, which read() and write() hold while they
 * access the memory of the process that calls them. If that memory is slow (a mapped file of a
 * file system in user space), the other end waits, although it does not block.
 */
#pragma once

#include <glib.h>

#include "wire.h"

/* By channel; -1: not there. Ours do not block, the caller's do. */
typedef struct {
    int ours[WIRE_STDERR + 1], callers[WIRE_STDERR + 1];
} ProcessEnds;

/* The kernel doubles it, and counts its own structures: about as much data as a pipe has. */
#define PROCESS_ENDS_BUFFER (64 * 1024)

#define PROCESS_NO_ENDS {{-1, -1, -1}, {-1, -1, -1}}

/* Closes what is still there. */
void process_ends_clear(ProcessEnds *ends);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessEnds, process_ends_clear)

/* A socket each. */
gboolean process_ends_open_streams(ProcessEnds *ends, GError **error);
/* One socket for input and output, which is callers[WIRE_STDIN] for the caller. */
gboolean process_ends_open_socket(ProcessEnds *ends, GError **error);
/* A socket as above, and one for standard error. */
gboolean process_ends_open_socket_and_stream(ProcessEnds *ends, GError **error);
/* Nobody will read the output: closes our ends of it. The input remains. */
void process_ends_detach(ProcessEnds *ends);
