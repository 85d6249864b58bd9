/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete-stream: a stream whose reader learns whether it got all data.
 *
 * The reader of a pipe cannot tell the end of the data from the end of its writer. The reader of a
 * socket can: the kernel reports ECONNRESET after all data, when the other end was closed with
 * unread bytes in it. So the writer's end contains an unread byte from the beginning, and the
 * writer reads it when it has sent everything. A writer that fails or dies need not do anything.
 */
#pragma once

#include <glib.h>

/* Makes both ends; bytes go from the writer to the reader only. Both block. */
gboolean complete_stream_open(int *ret_writer, int *ret_reader, GError **error);
/* Everything was sent. The writer is still to be closed. */
void complete_stream_finish(int writer);
