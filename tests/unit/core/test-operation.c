/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-operation: an operation is charged, can be cancelled, has a sandbox, and ends once. */
#include "core-private.h"
#include "error.h"
#include "operation.h"

#define OWNER 1000u
#define LIMIT 2

typedef struct {
    Core core;
    Sandbox *sandbox;
} World;

static void
world_init(World *world)
{
    const QuotaAmounts all = {{10, 10, 10, 10, 10, 10}};
    const QuotaAmounts each = {{10, 10, 10, 10, LIMIT, 10}};

    *world = (World){.core.quota = quota_new(&all, &each)};
    g_queue_init(&world->core.operations);
    world->sandbox = sandbox_new();
    world->sandbox->core = &world->core;
    world->sandbox->owner = OWNER;
}

static void
world_clear(World *world)
{
    g_clear_pointer(&world->sandbox, sandbox_free);
    quota_free(world->core.quota);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

static guint64
charged(const World *world)
{
    return quota_used(world->core.quota, OWNER).amount[QUOTA_PROCESSES];
}

static Operation *
begin(World *world, GCancellable *caller)
{
    g_autoptr(GError) error = NULL;
    Operation *operation = operation_begin(world->sandbox, caller, &error);

    g_assert_no_error(error);
    return operation;
}

static void
test_charge(void)
{
    g_auto(World) world;
    g_autoptr(GError) error = NULL;
    Operation *operations[LIMIT];

    world_init(&world);
    for (guint i = 0; i < LIMIT; i++)
        operations[i] = begin(&world, NULL);
    g_assert_cmpuint(charged(&world), ==, LIMIT);
    g_assert_cmpuint(world.sandbox->operations.length, ==, LIMIT);
    g_assert_null(operation_begin(world.sandbox, NULL, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(world.core.operations.length, ==, LIMIT);
    for (guint i = 0; i < LIMIT; i++)
        operation_end(operations[i]);
    g_assert_cmpuint(charged(&world), ==, 0);
    g_assert_cmpuint(world.sandbox->operations.length, ==, 0);
    g_assert_cmpuint(world.core.operations.length, ==, 0);
}

static void
test_hold(void)
{
    g_auto(World) world;
    g_autoptr(GError) error = NULL;
    Operation *first, *second;

    world_init(&world);
    first = begin(&world, NULL);
    second = begin(&world, NULL);
    g_assert_true(operation_hold(first, QUOTA_BUFFERS_EACH - 10, NULL));
    g_assert_false(operation_hold(second, 11, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED);
    g_assert_cmpstr(error->message, ==,
                    "The limit buffer-size of user 1000 is reached: 67108854 of 67108864 bytes are "
                    "in use, and this needs 11 more; wait until a call or a process ends");
    g_assert_true(operation_hold(second, 10, NULL));
    operation_end(first);
    g_assert_cmpuint(quota_buffers_used(world.core.quota, OWNER), ==, 10);
    operation_end(second);
    g_assert_cmpuint(quota_buffers_used_by_all(world.core.quota), ==, 0);
}

static void
test_hold_of_all(void)
{
    g_auto(World) world;
    g_autoptr(GError) error = NULL;
    Operation *operation;
    gsize others = QUOTA_BUFFERS_ALL / QUOTA_BUFFERS_EACH;

    world_init(&world);
    operation = begin(&world, NULL);
    for (guint uid = 1; uid <= others; uid++)
        g_assert_true(quota_take_buffers(world.core.quota, uid,
                                         QUOTA_BUFFERS_EACH - (uid == 1 ? 10 : 0), NULL));
    g_assert_false(operation_hold(operation, 11, &error));
    g_assert_cmpstr(error->message, ==,
                    "The limit buffer-size of all users is reached: 402653174 of 402653184 bytes "
                    "are in use, and this needs 11 more; wait until a call or a process ends");
    g_assert_true(operation_hold(operation, 10, NULL));
    operation_end(operation);
    for (guint uid = 1; uid <= others; uid++)
        budget_give_back(quota_buffers(world.core.quota, uid),
                         quota_buffers_used(world.core.quota, uid));
}

/* The guest already executes the process, so its operation is charged beyond the limits. */
static void
test_adopted_beyond_limit(void)
{
    g_auto(World) world;
    Operation *operations[LIMIT + 1];

    world_init(&world);
    for (guint i = 0; i <= LIMIT; i++)
        operations[i] = operation_adopt(world.sandbox, QUOTA_BUFFERS_EACH);
    g_assert_cmpuint(charged(&world), ==, LIMIT + 1);
    g_assert_false(operation_hold(operations[0], 1, NULL));
    for (guint i = 0; i <= LIMIT; i++)
        operation_end(operations[i]);
    g_assert_cmpuint(charged(&world), ==, 0);
    g_assert_cmpuint(quota_buffers_used(world.core.quota, OWNER), ==, 0);
}

/* --- cancellation --- */

static void
count(gpointer data)
{
    ++*(guint *)data;
}

static const OperationEvents counting = {.cancelled = count};

static void
test_caller_leaves(void)
{
    g_auto(World) world;
    g_autoptr(GCancellable) caller = g_cancellable_new();
    Operation *operation;
    guint cancelled = 0;

    world_init(&world);
    operation = begin(&world, caller);
    operation_watch(operation, &counting, &cancelled);
    g_assert_cmpuint(cancelled, ==, 0);
    g_cancellable_cancel(caller);
    g_assert_cmpuint(cancelled, ==, 1);
    g_assert_true(g_cancellable_is_cancelled(operation_cancellable(operation)));
    operation_cancel(operation);
    g_assert_cmpuint(cancelled, ==, 1);
    operation_end(operation);
}

/* A caller may disconnect while polkit is consulted. */
static void
test_caller_has_left(void)
{
    g_auto(World) world;
    g_autoptr(GCancellable) caller = g_cancellable_new();
    Operation *operation;
    guint cancelled = 0;

    world_init(&world);
    g_cancellable_cancel(caller);
    operation = begin(&world, caller);
    g_assert_true(g_cancellable_is_cancelled(operation_cancellable(operation)));
    operation_watch(operation, &counting, &cancelled);
    g_assert_cmpuint(cancelled, ==, 1);
    operation_end(operation);
}

static void
test_caller_outlives(void)
{
    g_auto(World) world;
    g_autoptr(GCancellable) caller = g_cancellable_new();
    guint cancelled = 0;
    Operation *operation;

    world_init(&world);
    operation = begin(&world, caller);
    operation_watch(operation, &counting, &cancelled);
    operation_end(operation);
    g_cancellable_cancel(caller);
    g_assert_cmpuint(cancelled, ==, 0);
}

static void
end(gpointer data)
{
    operation_end(*(Operation **)data);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    end(data);
}

static void
test_end_while_cancelled(void)
{
    static const OperationEvents ending = {.cancelled = end};
    g_auto(World) world;
    Operation *watched, *waited_for;

    world_init(&world);
    watched = begin(&world, NULL);
    operation_watch(watched, &ending, &watched);
    operation_cancel(watched);
    waited_for = begin(&world, NULL);
    g_signal_connect(operation_cancellable(waited_for), "cancelled", G_CALLBACK(on_cancelled),
                     &waited_for);
    operation_cancel(waited_for);
    g_assert_cmpuint(charged(&world), ==, 0);
    g_assert_cmpuint(world.core.operations.length, ==, 0);
}

/* --- its sandbox --- */

static void
test_outlives_sandbox(void)
{
    static const OperationEvents ending = {.abandoned = end};
    g_auto(World) world;
    Operation *operation;

    world_init(&world);
    operation = begin(&world, NULL);
    operation_watch(operation, &ending, &operation);
    g_assert_true(operation_sandbox(operation) == world.sandbox);
    operations_leave(world.sandbox);
    g_clear_pointer(&world.sandbox, sandbox_free);
    g_assert_null(operation_sandbox(operation));
    g_assert_cmpuint(charged(&world), ==, 1);
    operations_abandon(&world.core);
    g_assert_cmpuint(charged(&world), ==, 0);
}

static void
test_before_sandbox(void)
{
    g_auto(World) world;
    Operation *operation;

    world_init(&world);
    operation = operation_begin_outside(&world.core, OWNER, NULL, NULL);
    g_assert_null(operation_sandbox(operation));
    g_assert_cmpuint(charged(&world), ==, 1);
    operation_enter(operation, world.sandbox);
    g_assert_true(operation_sandbox(operation) == world.sandbox);
    g_assert_cmpuint(world.sandbox->operations.length, ==, 1);
    operation_end(operation);
    g_assert_cmpuint(world.sandbox->operations.length, ==, 0);
    g_assert_cmpuint(charged(&world), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/operation/charge", test_charge);
    g_test_add_func("/operation/hold", test_hold);
    g_test_add_func("/operation/hold-of-all", test_hold_of_all);
    g_test_add_func("/operation/adopted-beyond-limit", test_adopted_beyond_limit);
    g_test_add_func("/operation/caller-leaves", test_caller_leaves);
    g_test_add_func("/operation/caller-has-left", test_caller_has_left);
    g_test_add_func("/operation/caller-outlives", test_caller_outlives);
    g_test_add_func("/operation/end-while-cancelled", test_end_while_cancelled);
    g_test_add_func("/operation/outlives-sandbox", test_outlives_sandbox);
    g_test_add_func("/operation/before-sandbox", test_before_sandbox);
    return g_test_run();
}
