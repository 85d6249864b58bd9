/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry: the sandboxes that run, those that ended, and the one place where they end.
 *
 * A Sandbox that these functions return is valid until the main loop runs again. Code that waits
 * keeps the id instead.
 */
#pragma once

#include "sandbox.h"

/* Sandboxes that ended whose end reason is remembered. */
#define ENDED_KEPT 1024

/* Returns the sandbox that the viewer may see. CLOCHE_ERROR_NO_SUCH_SANDBOX; its message gives the
 * end reason to a viewer who might have seen the sandbox. */
Sandbox *core_find(Core *core, const Viewer *viewer, const char *id, GError **error);
/* Returns the running sandbox with this id, or NULL. */
Sandbox *registry_lookup(const Core *core, const char *id);
/* TRUE when the viewer may see and use what `owner` has: root and those who manage others may. */
gboolean core_may_see(const Viewer *viewer, guint32 owner);
/* Whether `uid` owns the sandbox, which runs or is remembered. FALSE when there is none. */
gboolean core_is_owner(Core *core, guint32 uid, const char *id);
/* All running sandboxes, the oldest first; not owned. */
GPtrArray *core_list(Core *core);

/* Ends a sandbox: the one place. `detail` (or NULL) is for the journal. */
void core_end(Core *core, Sandbox *sandbox, EndReason reason, const char *detail);

/* The sandbox's machine is known. Takes it. */
void registry_use_instance(Sandbox *sandbox, Instance *instance);
/* Adds a sandbox that was claimed, or one whose machine is not adopted yet. Takes it. */
void registry_add(Core *core, Sandbox *sandbox);
/* Returns the running sandbox that this user created with this key, or NULL. */
Sandbox *registry_find_key(Core *core, guint32 owner, const char *key);
/* Writes the record; finish with record_writer_write_finish(). */
void registry_write_record_async(Core *core, const Sandbox *sandbox, GAsyncReadyCallback callback,
                                 gpointer data);
/* Lets the processes of a sandbox run that an earlier snapshot may have stopped, unless somebody
 * who has stopped them does it later. */
void registry_thaw(const Sandbox *sandbox);
/* Ends the sandbox, or leaves it running without this process, because the service stops. */
void registry_stop(Core *core, Sandbox *sandbox);
void registry_stop_all(Core *core);
/* CLOCHE_ERROR_SERVICE_STOPPING while the service stops. */
gboolean registry_check_running(const Core *core, GError **error);
void registry_clear(Core *core);
