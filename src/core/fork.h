/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork: sandboxes that continue from what another one is now, without a snapshot that stays. */
#pragma once

#include "sandbox.h"

/* Children of one call. */
#define FORK_MAX 64u

typedef struct {
    guint count;              /* 1 to FORK_MAX */
    const char *const *names; /* of the children, `count`; NULL: they have none */
    guint64 timeout_s;        /* of each child */
    char **metadata;          /* as in CreateRequest, of each child */
    char **environment;
} ForkRequest;

typedef struct {
    GPtrArray *ids;    /* of char *: the children that run */
    GPtrArray *errors; /* of GError: why the others do not */
} ForkResult;

void fork_result_free(ForkResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ForkResult, fork_result_free)

/* The children belong to the owner of the sandbox, and have no network. The errors of
 * core_snapshot_async(), and CLOCHE_ERROR_INVALID_ARGUMENT. */
void core_fork_async(Core *core, Sandbox *sandbox, const ForkRequest *request,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* NULL with an error: the sandbox was not forked at all. */
ForkResult *core_fork_finish(GAsyncResult *result, GError **error);
