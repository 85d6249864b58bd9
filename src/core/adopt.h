/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt: continues the sandboxes of the previous instance of the service, and removes the rest. */
#pragma once

#include <gio/gio.h>

#include "core-base.h"
#include "instance.h"

/*
 * Registers the sandboxes of the previous instance by their records, and ends those that cannot go
 * on or are past their deadline. Their machines are adopted in the background, as soon as libvirt
 * answers (core_is_settled()). Call it before core_start().
 */
void core_adopt(Core *core);
/* Removes machines and files that belong to no sandbox, as soon as libvirt answers; fails only when
 * the service stops. Call it before any machine is started. */
void core_sweep_async(Core *core, GAsyncReadyCallback callback, gpointer data);
gboolean core_sweep_finish(GAsyncResult *result, GError **error);
/* Pauses the sandbox of a record whose deadline has passed while no service ran, if it is to be
 * paused then. */
void adopt_expire(Record *record, gint64 now_us, guint64 paused_max_s);
/* Returns why the sandbox of a record cannot go on, whatever became of its machine, or END_NOT_YET
 * when it may. `ret_detail` is for the journal, or NULL. */
EndReason adopt_judge(const Record *record, const char *boot_id, gint64 now_us,
                      const char **ret_detail);
