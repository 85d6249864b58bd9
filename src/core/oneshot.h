/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oneshot: executes one piece of code in a sandbox of its own, which ends afterwards. */
#pragma once

#include "create.h"
#include "interpreter.h"

void core_run_code_async(Core *core, guint32 owner, const CreateRequest *request,
                         const char *language, const GuestCode *code, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
GuestExecution *core_run_code_finish(GAsyncResult *result, GError **error);
