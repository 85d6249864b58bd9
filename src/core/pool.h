/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool: machines of one template that are ready before anyone asks.
 *
 * pool_take() gives a machine away and forgets it, so a used one can never come back here. Callers
 * that find none wait for the next, in turn between users.
 */
#pragma once

#include "instance.h"

typedef struct Pool Pool;

typedef struct {
    guint target, ready, starting, waiting;
    guint64 claimed, restored, failed;
} PoolFigures;

typedef struct {
    guint target;           /* machines to keep ready */
    guint64 memory_max_mib; /* of all machines of the host */
} PoolConfig;

Pool *pool_new(Host *host, const PoolConfig *config, Template *template);
/* Ends all machines that are ready, all starts, and all callers with `why`. From then on nothing is
 * started, and callers get the same error. */
void pool_stop(Pool *pool, const GError *why);
/* After pool_stop(). */
void pool_free(Pool *pool);

PoolFigures pool_figures(const Pool *pool);

/* The template's state changed: starts machines of a template that is ready, and returns the error
 * of one that failed to all callers. */
void pool_update(Pool *pool);
/* Ends machines beyond the target. */
void pool_reconfigure(Pool *pool, const PoolConfig *config);

/* A machine that is ready, which belongs to the caller from now on; NULL: none is ready. */
Instance *pool_take(Pool *pool);
/* Waits for a machine, on behalf of this user, after pool_take() has returned none. The machine
 * belongs to the caller. CLOCHE_ERROR_BUSY when none became ready within CALLERS_WAIT_S or too many
 * callers wait, or the error of the template. */
void pool_wait_async(Pool *pool, guint32 owner, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data);
Instance *pool_wait_finish(GAsyncResult *result, GError **error);

/* libvirt answers again: starts machines without waiting for the end of a pause. */
void pool_retry(Pool *pool);
/* Starts as many machines as memory and processors allow and the target and the callers need. */
void pool_refill(Pool *pool);
/* Ends one machine that nobody has claimed; FALSE when there is none. */
gboolean pool_give_up_one(Pool *pool);
/* Whether callers wait for memory that machines of other pools have. */
gboolean pool_wants_room(const Pool *pool);
