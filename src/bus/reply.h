/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reply: what the core knows, as the GVariants of dbus/org.cloche1.xml. */
#pragma once

#include <gio/gio.h>

#include "core.h"
#include "process.h"
#include "run.h"
#include "task.h"

#define SANDBOX_PATH "/org/cloche1/sandbox"
#define PROCESS_PATH "/org/cloche1/process"

/* Of one-shot code, unless it says otherwise. */
#define MANAGER_CODE_TIMEOUT_S 60u

/* (isssa{sv}) without the type's outer names: exit status, stdout, stderr, details; floating. */
GVariant *reply_run(const GuestRun *run);
/* As an entry of ListContexts(): a{sv}, floating. */
GVariant *reply_context(const Context *context);
/* a{sv}, floating. */
GVariant *reply_execution(const GuestExecution *execution);
/* All properties of a sandbox: a{sv}, floating. */
GVariant *reply_sandbox(const Sandbox *sandbox);
/* Of a template: a{sv}, floating. */
GVariant *reply_template(const Template *template);
/* (a{s(tt)}a{s(tt)}): what a user has of what it may have, and all users, or nothing. */
GVariant *reply_quota(Core *core, const Viewer *viewer);
/* All properties of the manager: a{sv}, floating. */
GVariant *reply_manager(Core *core);
/* Text of a guest: UTF-8 of at most `max` bytes, in which what is none is U+FFFD; a new string. */
char *reply_text(const guint8 *bytes, gsize size, gsize max, gboolean *ret_invalid,
                 gboolean *ret_cut);
/* How many bytes of a text are before a character at its end that has not come whole. */
gsize reply_without_partial(const char *text, gsize size);
/* Whether data of this MIME type is given as text. */
gboolean reply_is_text(const char *mime_type);
/* How an execution ended: "ok", … */
const char *reply_status(const GuestExecution *execution);
/* "org.cloche1.Error.NAME"; a new string. */
char *reply_error_name(const GError *error);
/* The object path of a sandbox; a new string. */
char *reply_path(const char *id);
/* The same of a process. */
char *reply_process_path(const Process *process);
/* All properties of a process: a{sv}, floating. */
GVariant *reply_process(const Process *process);
/* (isa{sv}): as of Wait(); floating. */
GVariant *reply_end(const ProcessEnd *end);
/* As an entry of ListDirectory(): a{sv}, floating. */
GVariant *reply_file(const GuestFile *file);
/* As an entry of ListProcesses(): a{sv}, floating; `process` is its object, or NULL. */
GVariant *reply_program(const GuestProgram *program, const Process *process);
GVariant *reply_ended_process(const Process *process);
/* As an entry of ListPorts(): a{sv}, floating. */
GVariant *reply_listener(const GuestListener *listener);
/* How a program ended: "exited", … */
const char *reply_how(const GuestExit *how);
