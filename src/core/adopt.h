/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt: continues the sandboxes of the previous instance of the service, and removes the rest. */
#pragma once

#include <gio/gio.h>

#include "core-base.h"
#include "instance.h"

/*
 * Continues the sandboxes of the previous instance, and ends those that cannot go on or are past
 * their deadline. Call it before core_start(). Fails when libvirt does not answer.
 */
void core_adopt_async(Core *core, GAsyncReadyCallback callback, gpointer data);
gboolean core_adopt_finish(GAsyncResult *result, GError **error);
/* Removes machines and files that belong to no sandbox. Call it before any machine is started. */
void core_sweep_async(Core *core, GAsyncReadyCallback callback, gpointer data);
gboolean core_sweep_finish(GAsyncResult *result, GError **error);
/* Returns why the sandbox of a record cannot go on, whatever became of its machine, or END_NOT_YET
 * when it may. `ret_detail` is for the journal, or NULL. */
EndReason adopt_judge(const Record *record, const char *boot_id, gint64 now_us,
                      const char **ret_detail);
