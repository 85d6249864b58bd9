/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core: all sandboxes, all templates and their pools, and what may be asked of them.
 *
 * It knows users by their uid and nothing of how they ask. News goes up through CoreEvents. A
 * Sandbox that it gives out is good until the main loop runs again; whoever waits for something
 * keeps the id.
 */
#pragma once

#include "acceleration.h"
#include "pool.h"
#include "sandbox.h"
#include "templates.h"

typedef struct Core Core;
typedef struct Process Process;

/* Between two times that a sandbox's clock is set by the host's. */
#define CORE_CLOCK_INTERVAL_US (10 * G_TIME_SPAN_MINUTE)

typedef struct {
    const char *default_template;
    guint pool_target;
    guint64 memory_max_mib;     /* of all machines, those of pools included */
    QuotaAmounts limits_of_all; /* users together */
    QuotaAmounts limits_of_each;
    guint64 lifetime_max_s;       /* of a sandbox, from its creation */
    guint32 uid_first, uid_count; /* that machines run as; 0: as libvirt has it */
    Emulation emulation;
    gint64 clock_interval_us; /* CORE_CLOCK_INTERVAL_US, but for tests */
} CoreConfig;

/* Who looks. */
typedef struct {
    guint32 uid;
    gboolean sees_all; /* may manage what others have */
} Viewer;

typedef struct {
    void (*sandbox_added)(const Sandbox *sandbox, gpointer data);
    /* Its deadline was set anew. */
    void (*sandbox_changed)(const Sandbox *sandbox, gpointer data);
    /* Its state and end reason are the last ones. */
    void (*sandbox_ended)(const Sandbox *sandbox, gpointer data);
    /* One that was started, by its program's end. */
    void (*process_ended)(const Process *process, gpointer data);
    /* The accelerator became known, or why KVM does not work. */
    void (*manager_changed)(gpointer data);
    /* It was installed or removed, or its state, step or progress changed. */
    void (*template_changed)(const char *name, gpointer data);
} CoreEvents;

/* Copies the config. Installs a template for each image of the store; that of a damaged image has
 * failed. */
Core *core_new(const CoreConfig *config, Vm *vm, const Store *store, GError **error);
void core_set_events(Core *core, const CoreEvents *events, gpointer data);
/* Calls `changed` whenever core_summary() or core_is_checked() may return something else. */
void core_watch(Core *core, void (*changed)(gpointer data), gpointer data);
/* What the service is doing, in a line for people: a new string. */
char *core_summary(Core *core);
/* Whether no template is TEMPLATE_CHECKING. */
gboolean core_is_checked(Core *core);
/*
 * Takes up the sandboxes that an earlier life of the service left, and ends those that cannot go on
 * or became due meanwhile. Before core_start(). An error when that cannot be told, since libvirt
 * does not answer.
 */
void core_adopt_async(Core *core, GAsyncReadyCallback callback, gpointer data);
gboolean core_adopt_finish(GAsyncResult *result, GError **error);
/* Removes everything else that an earlier life left, finds the accelerator, and prepares all
 * templates, in the background. */
void core_start(Core *core);
/* New limits, pool targets and default template. What is there stays. */
void core_reconfigure(Core *core, const CoreConfig *config);
/* Ends everything, or all but the sandboxes. Finishes when no machine and no file of what ends is
 * left; then core_free(). */
void core_stop_async(Core *core, gboolean leave_sandboxes, GAsyncReadyCallback callback,
                     gpointer data);
void core_stop_finish(GAsyncResult *result);
void core_free(Core *core);

const CoreConfig *core_config(const Core *core);
/* NULL until an accelerator is chosen. */
const VmFacts *core_facts(const Core *core);
/* Why KVM does not work although the processor has hardware virtualization; NULL: it works, was not
 * tried yet, or the processor has none. */
const char *core_acceleration_error(const Core *core);
const Templates *core_templates(const Core *core);
/* Of the pool of an installed template. */
PoolFigures core_pool_figures(const Core *core, const Template *template);

/* --- sandboxes --- */

typedef struct {
    const char *template; /* NULL: the default one */
    const char *name;     /* "": none */
    guint64 timeout_s;
    char **metadata;             /* key, value, …, sorted by key */
    char **environment;          /* NAME=value, sorted */
    guint vcpus;                 /* 0: the template's */
    guint64 memory_mib;          /* 0: the template's */
    const char *idempotency_key; /* NULL: none */
    gboolean is_one_shot;        /* set by core_run_code_async() */
} CreateRequest;

void core_create_async(Core *core, guint32 owner, const CreateRequest *request,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* Its id: a new string. */
char *core_create_finish(Core *core, GAsyncResult *result, GError **error);

/* The sandbox that the viewer may see; CLOCHE_ERROR_NO_SUCH_SANDBOX, which tells who may see one
 * that ended why. */
Sandbox *core_find(Core *core, const Viewer *viewer, const char *id, GError **error);
/* TRUE when the viewer may see and use what `owner` has: its own, or all for root and who sees all.
 */
gboolean core_may_see(const Viewer *viewer, guint32 owner);
/* The owner of a sandbox that runs or is still known of; FALSE: there is none. */
gboolean core_is_owner(Core *core, guint32 uid, const char *id);
/* Whether it is the user of a machine, which may ask for nothing. */
gboolean core_is_machine(const Core *core, guint32 uid);
/* All sandboxes that run, the oldest first; not owned. */
GPtrArray *core_list(Core *core);

/* From now. CLOCHE_ERROR_INVALID_ARGUMENT beyond the bounds. */
gboolean core_set_timeout(Core *core, Sandbox *sandbox, guint64 timeout_s, GError **error);
gboolean core_check_timeout(const Core *core, guint64 timeout_s, GError **error);
/* Charges the owner with a program or an execution that begins; core_end_process() when it is over,
 * whatever became of the sandbox. */
gboolean core_begin_process(Core *core, guint32 owner, GError **error);
void core_end_process(Core *core, guint32 owner);
const Quota *core_quota(const Core *core);
void core_end(Core *core, Sandbox *sandbox, EndReason reason);

/* One execution in a sandbox of its own, which is ended afterwards. */
void core_run_code_async(Core *core, guint32 owner, const CreateRequest *request,
                         const char *language, const GuestCode *code, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
GuestExecution *core_run_code_finish(GAsyncResult *result, GError **error);
