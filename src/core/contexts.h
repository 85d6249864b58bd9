/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * contexts: the contexts of a sandbox.
 *
 * A Context that these functions return is valid until the main loop runs again.
 */
#pragma once

#include "context.h"
#include "records.h"
#include "sandbox.h"

/* Returns the default context of a language (NULL: the template's first), or NULL with
 * CLOCHE_ERROR_UNSUPPORTED. */
Context *core_default_context(Sandbox *sandbox, const char *language, GError **error);
/* CLOCHE_ERROR_NO_SUCH_CONTEXT. */
Context *core_find_context(Sandbox *sandbox, const char *id, GError **error);
/* Returns all contexts, including default contexts that nobody has used; not owned. */
GPtrArray *core_contexts(Sandbox *sandbox);
/* Removes a context. The code that it executes, and code that waits, fails with
 * CLOCHE_ERROR_RUNNER_LOST. A removed default context exists again, empty, when it is used next. */
void core_remove_context(Sandbox *sandbox, Context *context);

/* Starts its runner anew, and finishes when that is ready. What it executes, and what waits, ends
 * with CLOCHE_ERROR_RUNNER_LOST. */
void core_restart_context_async(Context *context, GAsyncReadyCallback callback, gpointer data);
gboolean core_restart_context_finish(GAsyncResult *result, GError **error);
/* Interrupts what it executes, if anything. */
void core_interrupt_context(Context *context);

typedef struct {
    const char *language; /* NULL: the template's first */
    const char *cwd;      /* "": the user's home */
    const char *const *environment;
} ContextRequest;

/* Finishes when its runner is ready. */
void core_create_context_async(Core *core, Sandbox *sandbox, const ContextRequest *request,
                               GAsyncReadyCallback callback, gpointer data);
/* Its id: a new string. */
char *core_create_context_finish(GAsyncResult *result, GError **error);

/* Continues the context whose runner this is. FALSE: it is not a runner. */
gboolean contexts_adopt(Sandbox *sandbox, const GuestKept *kept);
