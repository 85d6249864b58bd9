/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core: all sandboxes, all templates and their pools, and the calls on them.
 *
 * The core knows users by their uid, and does not know the bus. It reports changes through
 * CoreEvents. A Sandbox that it returns is valid until the main loop runs again; code that waits
 * keeps the id instead.
 */
#pragma once

#include "adopt.h"
#include "code-stream.h"
#include "contexts.h"
#include "create.h"
#include "fork.h"
#include "guest-calls.h"
#include "lifespan.h"
#include "network.h"
#include "oneshot.h"
#include "pool.h"
#include "process-list.h"
#include "registry.h"
#include "settle.h"
#include "snapshot-make.h"
#include "snapshots.h"
#include "templates.h"
#include "transfer.h"

/* Copies the config. Installs a template for each image of the store; that of a damaged image has
 * failed. */
Core *core_new(const CoreConfig *config, Vm *vm, const Store *store, GError **error);
/* Gives sandboxes their network by this; takes it. Without it they have none. Call it before
 * core_start(). */
void core_use_egress(Core *core, Egress *egress);
void core_set_events(Core *core, const CoreEvents *events, gpointer data);
/* Calls `changed` whenever core_summary() or core_is_checked() may return something else. */
void core_watch(Core *core, void (*changed)(gpointer data), gpointer data);
/* What the service is doing, in a line for people: a new string. */
char *core_summary(Core *core);
/* Whether no template is TEMPLATE_CHECKING. */
gboolean core_is_checked(Core *core);
/* Removes what the previous instance of the service has left and nobody uses, finds the
 * accelerator, and prepares all templates, in the background. */
void core_start(Core *core);
/* Sets new limits, pool targets and the default template. Existing sandboxes stay. */
void core_reconfigure(Core *core, const CoreConfig *config);
/* Ends everything, or everything but the sandboxes. Finishes when the machines and files of what
 * ends are gone; core_free() follows. */
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
/* Figures of the pool of an installed template. */
PoolFigures core_pool_figures(const Core *core, const Template *template);
const Quota *core_quota(const Core *core);
/* Whether a machine runs as this uid: such a user may call nothing. */
gboolean core_is_machine(const Core *core, guint32 uid);
