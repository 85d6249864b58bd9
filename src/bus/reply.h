/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reply: converts objects of the core to the GVariants that dbus/org.cloche1.xml documents. */
#pragma once

#include <gio/gio.h>

#include "core.h"
#include "process.h"
#include "run.h"
#include "task.h"

#define SANDBOX_PATH "/org/cloche1/sandbox"
#define PROCESS_PATH "/org/cloche1/process"

/* The default timeout of the manager's RunCode(). */
#define MANAGER_CODE_TIMEOUT_S 60u

/* (issa{sv}): exit status, stdout, stderr, details; floating. */
GVariant *reply_run(const GuestRun *run);
/* An entry of ListContexts(): a{sv}, floating. */
GVariant *reply_context(const Context *context);
/* The reply of RunCode(): a{sv}, floating. */
GVariant *reply_execution(const GuestExecution *execution);
/* All properties of a sandbox: a{sv}, floating. */
GVariant *reply_sandbox(const Sandbox *sandbox);
/* The property Network: a{sv}, floating. */
GVariant *reply_network(const Network *network);
/* The reply of GetTraffic(): a{st}, floating. */
GVariant *reply_traffic(const EgressTraffic *traffic);
/* An entry of ListTemplates(): a{sv}, floating. */
GVariant *reply_template(const Template *template);
/* An entry of ListSnapshots(): a{sv}, floating. */
GVariant *reply_snapshot(const Core *core, const Template *snapshot);
/* The reply of GetQuota(), (a{s(tt)}a{s(tt)}): use and limits of the user, and of all users
 * together (empty if the user may not see them). */
GVariant *reply_quota(Core *core, const Viewer *viewer);
/* All properties of the manager: a{sv}, floating. */
GVariant *reply_manager(Core *core);
/* The object path of a sandbox; a new string. */
char *reply_path(const char *id);
/* The object path of a process; a new string. */
char *reply_process_path(const Process *process);
/* All properties of a process: a{sv}, floating. */
GVariant *reply_process(const Process *process);
/* The reply of Wait(): (isa{sv}), floating. */
GVariant *reply_end(const ProcessEnd *end);
/* An entry of ListDirectory(): a{sv}, floating. */
GVariant *reply_file(const GuestFile *file);
/* An entry of ListProcesses(): a{sv}, floating; `process` is its object, or NULL. */
GVariant *reply_program(const GuestProgram *program, const Process *process);
/* The same for a process object whose first process has ended. */
GVariant *reply_ended_process(const Process *process);
/* An entry of ListPorts(): a{sv}, floating. */
GVariant *reply_listener(const GuestListener *listener);
/* The way in which a process ended: "exited", … */
const char *reply_how(const GuestExit *how);
