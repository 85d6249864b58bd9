/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer: work on a stream in a thread, while the program answers signals and calls.
 */
#pragma once

#include "cli.h"
#include "stream.h"

typedef gboolean (*TransferWork)(Stream *stream, gpointer data, GError **error);

/*
 * Starts the work. The stream and the data have to stay until transfer_finish(), which waits for
 * its end; a signal interrupts it, unless the stream has a cancellable of its own. The stream's
 * descriptor is closed when the work is done.
 */
typedef struct Transfer Transfer;
Transfer *transfer_start(Cli *cli, Stream *stream, TransferWork work, gpointer data);
gboolean transfer_finish(Transfer *transfer, GError **error);
