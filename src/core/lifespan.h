/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lifespan: until when a sandbox lives, and whether it runs: its deadline, SetTimeout(), Pause()
 * and Resume().
 *
 * A paused sandbox keeps its machine, whose processors stand still, and everything that it is
 * charged with. Its deadline is that of the pause (CoreConfig.paused_max_s). The time in which it
 * is paused does not count for its lifetime.
 */
#pragma once

#include "sandbox.h"

/* Sets the deadline to `timeout_s` from now. Finishes when the record has it.
 * CLOCHE_ERROR_INVALID_ARGUMENT beyond the bounds, CLOCHE_ERROR_QUOTA_EXCEEDED beyond the lifetime,
 * CLOCHE_ERROR_PAUSED of a paused sandbox. */
void core_set_timeout_async(Core *core, Sandbox *sandbox, guint64 timeout_s,
                            GAsyncReadyCallback callback, gpointer data);
gboolean core_set_timeout_finish(GAsyncResult *result, GError **error);
gboolean core_check_timeout(const Core *core, guint64 timeout_s, GError **error);

/* Pauses a sandbox that is settled. Finishes when its processors have stopped, or at once if it is
 * paused already. CLOCHE_ERROR_BUSY: they will stop when libvirt answers. */
void core_pause_async(Core *core, Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data);
gboolean core_pause_finish(GAsyncResult *result, GError **error);
/* Resumes a sandbox that is settled, and sets the deadline to `timeout_s` from now (0: its last
 * timeout, but not beyond its lifetime). Finishes when it runs and its clock is being set; calls
 * that follow find the right time. Does nothing if it is not paused. Errors as of
 * core_set_timeout_async(). */
void core_resume_async(Core *core, Sandbox *sandbox, guint64 timeout_s,
                       GAsyncReadyCallback callback, gpointer data);
gboolean core_resume_finish(GAsyncResult *result, GError **error);

/* Returns the length of the longest pause, also where it is unlimited. */
gint64 lifespan_paused_max_us(guint64 paused_max_s);
/* Sets CLOCHE_ERROR_PAUSED. */
void lifespan_set_paused(const Sandbox *sandbox, GError **error);
/* The sandbox is registered: its deadline holds. */
void lifespan_start(Sandbox *sandbox);
/* Its deadline does not hold any more. NULL deadlines are fine. */
void lifespan_stop(Sandbox *sandbox);
/* It has ended, or the service leaves it: changes that wait fail. */
void lifespan_clear(Sandbox *sandbox);
