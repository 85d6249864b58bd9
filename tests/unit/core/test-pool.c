/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pool: the pool gives each machine to one caller, in the order of the calls, and starts new
 * ones. */
#include "callers.h"
#include "error.h"
#include "fake-instance.h"
#include "pools.h"

#define MEMORY_MIB 64
#define OWNER 1000

typedef struct {
    Host host;
    Pools *pools;
    Template *box, *other;
} Fixture;

typedef struct {
    gboolean done;
    Instance *instance;
    GError *error;
} Take;

static void
on_host_changed(gpointer data)
{
    pools_balance(((Fixture *)data)->pools);
}

static Template *
add_template(Fixture *f, const char *name)
{
    Template *template = template_new(name);

    template->memory_mib = MEMORY_MIB;
    pools_add(f->pools, template);
    return template;
}

static void
set_up(Fixture *f, gconstpointer data)
{
    const PoolConfig config = {.target = 0, .memory_max_mib = 1024};

    fake_reset();
    host_init(&f->host, /* vm= */ NULL, /* store= */ NULL, 0, 0);
    f->host.pace = *pace_of(FALSE);
    f->host.on_change = on_host_changed;
    f->host.on_change_data = f;
    f->pools = pools_new(&f->host, &config);
    f->box = add_template(f, "box");
    f->other = add_template(f, "other");
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) why = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING, "end");

    pools_stop(f->pools, why);
    pools_free(f->pools);
    fake_complete_all_starts(); /* these must call no callback */
    g_assert_cmpuint(fake_living, ==, 0);
    g_assert_cmpuint(f->host.memory_mib, ==, 0);
    g_assert_cmpuint(f->host.waiting, ==, 0);
    g_assert_cmpuint(f->box->references, ==, 1);
    template_unref(f->box);
    template_unref(f->other);
    host_clear(&f->host);
}

/* --- helpers --- */

static Pool *
pool_of(Fixture *f, Template *template)
{
    return pools_find(f->pools, template);
}

static void
set_config(Fixture *f, guint target, guint64 memory_max_mib)
{
    const PoolConfig config = {target, memory_max_mib};

    pools_reconfigure(f->pools, &config);
}

static void
make_ready(Fixture *f, Template *template)
{
    template_finish(template);
    pool_update(pool_of(f, template));
}

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    Take *take = data;

    take->instance = pool_wait_finish(result, &take->error);
    take->done = TRUE;
}

/* Returns when the call has finished or waits for an event. */
static void
take_for(Fixture *f, Template *template, guint32 owner, Take *take, GCancellable *cancellable)
{
    take->instance = pool_take(pool_of(f, template));
    take->done = take->instance != NULL;
    if (!take->instance)
        pool_wait_async(pool_of(f, template), owner, cancellable, on_waited, take);
    fake_run_due();
}

static void
take(Fixture *f, Template *template, Take *take)
{
    take_for(f, template, OWNER, take, /* cancellable= */ NULL);
}

static void
take_clear(Take *take)
{
    if (take->instance)
        instance_end(take->instance, "");
    g_clear_error(&take->error);
    *take = (Take){0};
}

static void
assert_error(Take *take, ClocheError code)
{
    fake_run_due();
    g_assert_true(take->done);
    g_assert_error(take->error, CLOCHE_ERROR, (int)code);
    g_clear_error(&take->error);
}

static void
wait_for_start(void)
{
    while (fake_starts.length == 0)
        g_main_context_iteration(NULL, TRUE);
}

/* --- tests --- */

static void
test_fill(Fixture *f, gconstpointer data)
{
    set_config(f, 3, 1024);
    g_assert_cmpuint(fake_starts.length, ==, 0); /* the template is not ready */
    make_ready(f, f->box);
    g_assert_cmpuint(fake_starts.length, >=, 1);
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 3);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).restored, ==, 3);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).starting, ==, 0);
    set_config(f, 1, 1024);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 1);
    g_assert_cmpuint(fake_ended, ==, 2);
}

/* Callers get machines in the order of their calls, even if the template was not ready then. */
static void
test_line(Fixture *f, gconstpointer data)
{
    Take takes[3] = {0};

    for (guint i = 0; i < G_N_ELEMENTS(takes); i++)
        take(f, f->box, &takes[i]);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).waiting, ==, 3);
    make_ready(f, f->box);
    for (guint i = 0; i < G_N_ELEMENTS(takes); i++) {
        g_assert_false(takes[i].done);
        fake_complete_start();
        g_assert_nonnull(takes[i].instance);
    }
    g_assert_cmpuint(fake_starts.length, ==, 0); /* nothing is kept ready */
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).claimed, ==, 3);
    for (guint i = 0; i < G_N_ELEMENTS(takes); i++)
        take_clear(&takes[i]);
}

/* A user with many callers gets one machine before the next user gets one. */
static void
test_users(Fixture *f, gconstpointer data)
{
    static const guint32 owners[] = {1, 1, 1, 1, 2, 2, 3};
    static const guint order[] = {0, 4, 6, 1, 5, 2, 3};
    Take takes[G_N_ELEMENTS(owners)] = {0};

    for (guint i = 0; i < G_N_ELEMENTS(owners); i++)
        take_for(f, f->box, owners[i], &takes[i], /* cancellable= */ NULL);
    make_ready(f, f->box);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_false(takes[order[i]].done);
        fake_complete_start();
        g_assert_nonnull(takes[order[i]].instance);
    }
    for (guint i = 0; i < G_N_ELEMENTS(takes); i++)
        take_clear(&takes[i]);
}

/* One user cannot take all places. */
static void
test_busy_user(Fixture *f, gconstpointer data)
{
    g_autofree Take *takes = g_new0(Take, CALLERS_USER_MAX);
    Take beyond = {0}, other = {0};

    for (guint i = 0; i < CALLERS_USER_MAX; i++)
        take(f, f->box, &takes[i]);
    take(f, f->box, &beyond);
    assert_error(&beyond, CLOCHE_ERROR_BUSY);
    take_for(f, f->box, OWNER + 1, &other, /* cancellable= */ NULL);
    g_assert_false(other.done);
    template_fail(f->box, &(GError){CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY, (char *)"no"});
    pool_update(pool_of(f, f->box));
    assert_error(&other, CLOCHE_ERROR_TEMPLATE_NOT_READY);
    for (guint i = 0; i < CALLERS_USER_MAX; i++)
        g_clear_error(&takes[i].error);
}

/* The number of waiting callers is limited; a caller that leaves makes room for another. */
static void
test_busy(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree Take *takes = g_new0(Take, CALLERS_MAX);
    Take beyond = {0};

    for (guint i = 0; i < CALLERS_MAX; i++)
        take_for(f, f->box, OWNER + 1 + i / CALLERS_USER_MAX, &takes[i],
                 i == 5 ? cancellable : NULL);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).waiting, ==, CALLERS_MAX);
    take(f, f->box, &beyond);
    assert_error(&beyond, CLOCHE_ERROR_BUSY);

    g_cancellable_cancel(cancellable);
    beyond = (Take){0};
    while (!takes[5].done)
        g_main_context_iteration(NULL, TRUE);
    g_assert_error(takes[5].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&takes[5].error);
    take(f, f->box, &beyond);
    g_assert_false(beyond.done);
    template_fail(f->box, &(GError){CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY, (char *)"no"});
    pool_update(pool_of(f, f->box));
    assert_error(&beyond, CLOCHE_ERROR_TEMPLATE_NOT_READY);
    for (guint i = 0; i < CALLERS_MAX; i++) {
        g_assert_true(takes[i].done);
        g_clear_error(&takes[i].error);
    }
}

/* A claimed machine is replaced after a pause, or immediately if a caller waits. */
static void
test_refill(Fixture *f, gconstpointer data)
{
    Take first = {0}, second = {0};

    set_config(f, 1, 1024);
    make_ready(f, f->box);
    fake_complete_all_starts();
    take(f, f->box, &first);
    g_assert_nonnull(first.instance);
    g_assert_cmpuint(fake_starts.length, ==, 0);
    wait_for_start();
    fake_complete_all_starts();
    take_clear(&first);

    take(f, f->box, &first);
    g_assert_cmpuint(fake_starts.length, ==, 0);
    take(f, f->box, &second);
    g_assert_cmpuint(fake_starts.length, ==, 2); /* one for the caller, and one to keep ready */
    fake_complete_all_starts();
    g_assert_nonnull(second.instance);
    take_clear(&first);
    take_clear(&second);
}

/* The pauses become longer. A caller gets the error of the third consecutive failure. */
static void
test_failures(Fixture *f, gconstpointer data)
{
    gint64 begin_us = g_get_monotonic_time();
    Take waiting = {0}, later = {0};

    make_ready(f, f->box);
    take(f, f->box, &waiting);
    for (guint i = 0; i < 3; i++) {
        g_assert_false(waiting.done);
        g_assert_cmpuint(fake_starts.length, ==, 1);
        fake_fail_start();
        g_assert_cmpuint(fake_starts.length, ==, 0);
        if (i < 2)
            wait_for_start();
    }
    g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, (200 + 400) * 1000);
    assert_error(&waiting, CLOCHE_ERROR_FAILED);
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).failed, ==, 3);

    /* The next caller waits for the end of the pause. */
    take(f, f->box, &later);
    g_assert_cmpuint(fake_starts.length, ==, 0);
    g_assert_false(later.done);
    wait_for_start();
    fake_complete_start();
    g_assert_nonnull(later.instance);
    take_clear(&later);
}

/* A caller that waits for a template that is being prepared needs no machine yet, so the other
 * pools start their own. */
static void
test_preparing(Fixture *f, gconstpointer data)
{
    Take waiting = {0}, later = {0};

    take(f, f->other, &waiting);
    set_config(f, 2, 1024);
    make_ready(f, f->box);
    g_assert_cmpuint(f->host.waiting, ==, 0);
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 2);
    take(f, f->box, &later);
    wait_for_start();
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 2);
    take_clear(&later);

    g_assert_false(waiting.done);
    make_ready(f, f->other);
    fake_complete_all_starts();
    g_assert_nonnull(waiting.instance);
    g_assert_cmpuint(f->host.waiting, ==, 0);
    take_clear(&waiting);
}

/* A caller that leaves keeps no memory any more: the other pool is filled at once. */
static void
test_leaves(Fixture *f, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Take first = {0}, waiting = {0};

    set_config(f, 0, 2 * MEMORY_MIB);
    make_ready(f, f->other);
    take(f, f->other, &first);
    fake_complete_all_starts();
    take_for(f, f->other, OWNER, &waiting, cancellable);
    fake_fail_start(); /* and now there is a pause */
    set_config(f, 1, 2 * MEMORY_MIB);
    make_ready(f, f->box);
    g_assert_cmpuint(fake_starts.length, ==, 0);
    g_cancellable_cancel(cancellable);
    while (!waiting.done)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(fake_starts.length, ==, 1);
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 1);
    g_clear_error(&waiting.error);
    take_clear(&first);
}

/* What failed while libvirt was away is tried again at once when it is back. */
static void
test_retry(Fixture *f, gconstpointer data)
{
    Take waiting = {0};

    make_ready(f, f->box);
    take(f, f->box, &waiting);
    fake_fail_start();
    g_assert_cmpuint(fake_starts.length, ==, 0);
    pools_retry(f->pools);
    g_assert_cmpuint(fake_starts.length, ==, 1);
    fake_fail_start();
    pools_retry(f->pools);
    fake_fail_start();
    g_assert_false(waiting.done); /* these are not three in a row */
    pools_retry(f->pools);
    fake_complete_start();
    g_assert_nonnull(waiting.instance);
    take_clear(&waiting);
}

/* There is memory for one machine. A machine that nobody has claimed is ended to make room for a
 * caller; a claimed one is not. */
static void
test_room(Fixture *f, gconstpointer data)
{
    Take first = {0}, second = {0};

    set_config(f, 1, MEMORY_MIB);
    make_ready(f, f->box);
    fake_complete_all_starts();
    g_assert_cmpuint(fake_living, ==, 1);
    make_ready(f, f->other);
    g_assert_cmpuint(fake_starts.length, ==, 0);

    take(f, f->other, &first);
    g_assert_cmpuint(fake_living, ==, 0);
    g_assert_cmpuint(fake_starts.length, ==, 1);
    fake_complete_start();
    g_assert_nonnull(first.instance);

    take(f, f->box, &second);
    g_assert_cmpuint(fake_living, ==, 1);
    g_assert_cmpuint(fake_starts.length, ==, 0);
    take_clear(&first);
    pools_balance(f->pools);
    fake_complete_start();
    g_assert_nonnull(second.instance);
    take_clear(&second);
}

/* A machine that is lost or stalls before it is claimed is replaced. */
static void
test_lost(Fixture *f, gconstpointer data)
{
    set_config(f, 1, 1024);
    make_ready(f, f->box);
    fake_complete_all_starts();
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*was lost before anybody used it*");
    fake_lose_last();
    g_test_assert_expected_messages();
    g_assert_cmpuint(fake_living, ==, 0);
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 1);
    fake_stall_last();
    g_assert_cmpuint(fake_living, ==, 0);
    fake_complete_all_starts();
    g_assert_cmpuint(pool_figures(pool_of(f, f->box)).ready, ==, 1);
    g_assert_cmpuint(fake_ended, ==, 2);
}

/* When a template fails, waiting and later callers get its error. */
static void
test_failed_template(Fixture *f, gconstpointer data)
{
    const GError error = {CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, (char *)"it is damaged"};
    Take waiting = {0}, later = {0};

    take(f, f->box, &waiting);
    template_fail(f->box, &error);
    pool_update(pool_of(f, f->box));
    assert_error(&waiting, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    take(f, f->box, &later);
    assert_error(&later, CLOCHE_ERROR_TEMPLATE_DAMAGED);
}

/* When a template is removed, its callers get the reason, its machines end, and its starts are
 * dropped. */
static void
test_removed(Fixture *f, gconstpointer data)
{
    const GError why = {CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_TEMPLATE, (char *)"it was removed"};
    Take waiting = {0};

    make_ready(f, f->box);
    take(f, f->box, &waiting);
    g_assert_cmpuint(fake_starts.length, ==, 1);
    pools_remove(f->pools, f->box, &why);
    assert_error(&waiting, CLOCHE_ERROR_NO_SUCH_TEMPLATE);
    g_assert_null(pool_of(f, f->box));
    fake_complete_all_starts();
    g_assert_cmpuint(fake_living, ==, 0);
    g_assert_cmpuint(fake_ended, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* warnings are part of what is tested */
#define ADD(name, function) g_test_add("/pool/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("fill", test_fill);
    ADD("line", test_line);
    ADD("users", test_users);
    ADD("busy-user", test_busy_user);
    ADD("busy", test_busy);
    ADD("refill", test_refill);
    ADD("failures", test_failures);
    ADD("preparing", test_preparing);
    ADD("leaves", test_leaves);
    ADD("retry", test_retry);
    ADD("room", test_room);
    ADD("lost", test_lost);
    ADD("failed-template", test_failed_template);
    ADD("removed", test_removed);
    return g_test_run();
}
