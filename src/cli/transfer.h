/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer: work on a stream in a thread, while the main loop handles signals and replies.
 */
#pragma once

#include "cli.h"
#include "stream.h"

typedef gboolean (*TransferWork)(Stream *stream, gpointer data, GError **error);

/*
 * Starts the work. The stream and the data must remain valid until transfer_finish(), which waits
 * for the end. A signal interrupts the work, unless the stream has its own cancellable. The
 * descriptor is closed when the work has ended.
 */
typedef struct TransferThread TransferThread;
TransferThread *transfer_start(Cli *cli, Stream *stream, TransferWork work, gpointer data);
gboolean transfer_finish(TransferThread *transfer, GError **error);
