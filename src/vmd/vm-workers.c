/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-workers: a bounded pool of threads for calls that block. */
#include "vm-workers.h"

#include "vm-reaper.h"

#define WORKERS 4

struct Workers {
    GThreadPool *threads;
    gboolean starts_qemu;
};

typedef struct {
    GTask *task;
    void (*run)(GTask *task);
} WorkItem;

static void
work(gpointer data, gpointer user_data)
{
    const Workers *workers = user_data;
    WorkItem *item = data;

    if (workers->starts_qemu)
        reaper_expect();
    item->run(item->task);
    if (workers->starts_qemu)
        reaper_expect_no_more();
    g_object_unref(item->task);
    g_free(item);
}

Workers *
workers_new(gboolean starts_qemu)
{
    Workers *workers = g_new0(Workers, 1);

    workers->starts_qemu = starts_qemu;
    /* Exclusive threads are created now, so they inherit the mount namespace that embed_prepare()
     * has set up. */
    workers->threads =
        g_thread_pool_new(work, workers, WORKERS, /* exclusive= */ TRUE, /* error= */ NULL);
    return workers;
}

void
workers_free(Workers *workers)
{
    if (!workers)
        return;
    g_thread_pool_free(workers->threads, /* immediate= */ FALSE, /* wait= */ TRUE);
    g_free(workers);
}

void
workers_run(Workers *workers, GTask *task, void (*run)(GTask *task))
{
    WorkItem *item = g_new(WorkItem, 1);

    item->task = task;
    item->run = run;
    g_thread_pool_push(workers->threads, item, /* error= */ NULL);
}
