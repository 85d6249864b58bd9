/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool: machines of one template, made ready before anyone asks.
 *
 * pool_take() gives a machine away and forgets it, so a used one can never come back here. Callers
 * that find none wait for the next, in order.
 */
#pragma once

#include "forge.h"
#include "instance.h"

typedef struct Pool Pool;

/* A caller waits no longer than this; D-Bus clients give up after 25 s. */
#define POOL_WAIT_S 20
/* Callers that may wait at once. */
#define POOL_WAITING_MAX 256

typedef enum {
    POOL_CHECKING, /* what is stored */
    POOL_PREPARING,
    POOL_READY,
    POOL_FAILED,
} PoolState;

typedef struct {
    PoolState state;
    const char *step;  /* of the preparation */
    double progress;   /* 0 to 1 */
    const char *error; /* NULL unless failed */
    guint target, ready, starting, waiting;
    guint64 claimed, restored, failed;
} PoolFigures;

typedef struct {
    guint target;           /* machines to keep ready */
    guint64 memory_max_mib; /* of all machines of the host */
} PoolConfig;

typedef void (*PoolChanged)(const Pool *pool, gpointer data);

/* Takes the image. `error`: why it cannot be used at all, or NULL. `changed` is called when the
 * state or the progress of the preparation changes.
 */
Pool *pool_new(Host *host, const PoolConfig *config, Image *image, const GError *error,
               PoolChanged changed, gpointer data);
/* Ends all machines that wait, all starts, and all callers with `why`. Nothing is started any more.
 */
void pool_stop(Pool *pool, const char *why);
/* After pool_stop(), when the host counts nothing any more. */
void pool_free(Pool *pool);

const Image *pool_image(const Pool *pool);
/* NULL before pool_prepare(). */
const TemplateFiles *pool_template(const Pool *pool);
PoolFigures pool_figures(const Pool *pool);

/* The next ones do nothing when the image cannot be used at all. */
gboolean pool_is_usable(const Pool *pool);
/* It cannot be prepared yet; callers wait. `step` says for what. */
void pool_hold(Pool *pool, const char *step);
/* Makes the template ready, then fills the pool. Once; may follow pool_hold() and pool_fail(). */
void pool_prepare(Pool *pool, const VmFacts *facts);
/* It cannot be prepared, for this reason, unless pool_hold() or pool_prepare() follows. */
void pool_fail(Pool *pool, const GError *error);
/* Machines that are too many end. */
void pool_reconfigure(Pool *pool, const PoolConfig *config);

/* A machine of one's own. CLOCHE_ERROR_BUSY when none came within POOL_WAIT_S or too many wait,
 * or why the template cannot be had. */
void pool_take_async(Pool *pool, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer data);
Instance *pool_take_finish(GAsyncResult *result, GError **error);

/* Memory became free, or may be needed: starts what may be started. */
void pool_refill(Pool *pool);
/* Gives up one machine that nobody has claimed; FALSE when there is none. */
gboolean pool_give_up_one(Pool *pool);
/* Whether callers wait for memory that machines of other pools have. */
gboolean pool_wants_room(const Pool *pool);
