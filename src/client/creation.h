/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * creation: creating a sandbox, and waiting for its template while the service prepares it.
 */
#pragma once

#include <gio/gunixfdlist.h>

#include "template-wait.h"

/*
 * options: the a{sv} of CreateSandbox(); a floating one is taken. fds: what handles in it refer to;
 * NULL: there are none. progress: as of template_wait_async(). The cancellable ends only the
 * waiting: once the service has been asked to create the sandbox, the caller must learn its path,
 * or nobody could end it.
 */
void creation_async(ClocheManager *manager, GVariant *options, GUnixFDList *fds,
                    TemplateProgress progress, gpointer progress_data, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data);

/* Returns the sandbox's object path, even if the operation was cancelled during the creation. */
char *creation_finish(GAsyncResult *result, GError **error);
