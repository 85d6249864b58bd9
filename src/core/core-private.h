/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core-private: what the files that work on all of Core share. */
#pragma once

#include "contexts.h"
#include "core.h"
#include "pools.h"
#include "records.h"

/* Sandboxes that ended, of which it is still known why. */
#define ENDED_KEPT 1024

typedef struct {
    char *id;
    guint32 owner;
    EndReason reason;
} Ended;

struct Core {
    CoreConfig config;
    Host host;
    Templates *templates;
    Pools *pools;
    GHashTable
        *preparations; /* Template → Preparation, of templates that an image can make ready */
    Acceleration *acceleration;
    Quota *quota;

    Deadlines *deadlines;
    const CoreEvents *events;
    gpointer events_data;
    void (*changed)(gpointer data); /* NULL: nobody watches */
    gpointer changed_data;

    GHashTable *sandboxes; /* id → Sandbox, running ones; owned */
    GQueue ended;          /* of Ended, the oldest first */
    gint64 last_born_us;
    GHashTable *transfers; /* of transfer.c, under way; owned */
    GHashTable *creating;  /* "uid key" → Creation with an idempotency key that is under way */

    GTask *stopping;
    gboolean leaves_sandboxes; /* it stops, and they go on */
};

/* Removes machines and files that no sandbox has; before any machine is started. */
void core_sweep_async(Core *core, GAsyncReadyCallback callback, gpointer data);
gboolean core_sweep_finish(GAsyncResult *result, GError **error);
/* Why the sandbox of a record cannot go on, whatever became of its machine; END_NOT_YET: it may.
 * `ret_detail` is for the journal, or NULL. */
EndReason adopt_judge(const Record *record, const char *boot_id, gint64 now_us,
                      const char **ret_detail);
/* Calls the watcher of core_watch(). */
void core_tell_changed(Core *core);
/* As quota_charge(); a refusal is told to the journal. */
gboolean core_charge(Core *core, guint32 owner, const QuotaAmounts *what, GError **error);

/* Takes up the context whose runner this is. FALSE: it is no runner. */
gboolean contexts_adopt(Sandbox *sandbox, const GuestKept *kept);

void transfer_free(gpointer transfer);
/* Of process.c. */
void process_free(Process *process);
/* Finds the processes that an earlier life of the service started and kept. */
void processes_adopt_async(Core *core, Sandbox *sandbox, GAsyncReadyCallback callback,
                           gpointer data);

/* Of sandbox-clock.c. Its clock has just been set: it is set again from time to time. */
void sandbox_clock_start(Sandbox *sandbox);
/* Sets it now, and again from time to time. */
void sandbox_clock_set(Sandbox *sandbox);
void sandbox_clock_stop(Sandbox *sandbox);

/* Adds a sandbox that was claimed. Takes it. */
void registry_add(Core *core, Sandbox *sandbox);
/* The running sandbox that this user created with this key, or NULL. */
Sandbox *registry_find_key(Core *core, guint32 owner, const char *key);
gboolean registry_write_record(Core *core, const Sandbox *sandbox, GError **error);
/* As core_end(); `detail` (or NULL) is for the journal. */
void registry_end(Core *core, Sandbox *sandbox, EndReason reason, const char *detail);
/* The service stops: the sandbox ends, or is left to go on without us. */
void registry_stop(Core *core, Sandbox *sandbox);
void registry_stop_all(Core *core);
/* CLOCHE_ERROR_QUOTA_EXCEEDED unless a sandbox created then may live until then. */
gboolean registry_check_lifetime(const Core *core, gint64 born_us, guint64 timeout_s,
                                 GError **error);
/* CLOCHE_ERROR_SERVICE_STOPPING when it stops. */
gboolean registry_check_running(const Core *core, GError **error);
void registry_clear(Core *core);
