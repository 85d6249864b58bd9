/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pools: the pool of each template, and which of them gets the memory that there is.
 *
 * Callers come first: while some wait whose template is ready, no pool without callers starts a
 * machine, and machines that nobody has claimed are ended where their memory is what the callers
 * lack.
 */
#pragma once

#include "pool.h"

typedef struct Pools Pools;

Pools *pools_new(Host *host, const PoolConfig *config);
/* After pools_stop(). */
void pools_free(Pools *pools);

/* Adds an empty pool, which gets machines when the template is ready. */
void pools_add(Pools *pools, Template *template);
/* Stops and frees the template's pool. */
void pools_remove(Pools *pools, const Template *template, const GError *why);
/* NULL when there is none. */
Pool *pools_find(const Pools *pools, const Template *template);

/* Memory has become free or is needed: gives it to those who wait, then to the others. */
void pools_balance(Pools *pools);
/* pool_retry() for all pools. */
void pools_retry(Pools *pools);
void pools_reconfigure(Pools *pools, const PoolConfig *config);
/* pool_stop() for all pools. */
void pools_stop(Pools *pools, const GError *why);
