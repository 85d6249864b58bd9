/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pools: the pool of each template, and which of them gets the memory that there is. */
#include "pools.h"

struct Pools {
    Host *host;
    PoolConfig config;
    GHashTable *by_template; /* Template → Pool */
};

Pools *
pools_new(Host *host, const PoolConfig *config)
{
    Pools *pools = g_new0(Pools, 1);

    pools->host = host;
    pools->config = *config;
    pools->by_template = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)pool_free);
    return pools;
}

void
pools_free(Pools *pools)
{
    g_hash_table_unref(pools->by_template);
    g_free(pools);
}

void
pools_add(Pools *pools, Template *template)
{
    g_hash_table_insert(pools->by_template, template,
                        pool_new(pools->host, &pools->config, template));
}

void
pools_remove(Pools *pools, const Template *template, const GError *why)
{
    Pool *pool = pools_find(pools, template);

    if (!pool)
        return;
    pool_stop(pool, why);
    g_hash_table_remove(pools->by_template, template);
}

Pool *
pools_find(const Pools *pools, const Template *template)
{
    return g_hash_table_lookup(pools->by_template, template);
}

/* Ends machines that nobody has claimed until the pool's callers have enough memory. */
static void
make_room(Pools *pools, Pool *pool)
{
    GHashTableIter iter;
    gpointer other;

    g_hash_table_iter_init(&iter, pools->by_template);
    while (pool_wants_room(pool) && g_hash_table_iter_next(&iter, NULL, &other))
        while (other != pool && pool_wants_room(pool) && pool_give_up_one(other))
            ;
}

void
pools_balance(Pools *pools)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, pools->by_template);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        make_room(pools, pool);
    g_hash_table_iter_init(&iter, pools->by_template);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_refill(pool);
}

void
pools_retry(Pools *pools)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, pools->by_template);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_retry(pool);
}

void
pools_reconfigure(Pools *pools, const PoolConfig *config)
{
    GHashTableIter iter;
    gpointer pool;

    pools->config = *config;
    g_hash_table_iter_init(&iter, pools->by_template);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_reconfigure(pool, config);
    pools_balance(pools);
}

void
pools_stop(Pools *pools, const GError *why)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, pools->by_template);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        pool_stop(pool, why);
}
