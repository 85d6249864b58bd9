/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-repeated-kills: the service is killed at random moments while users create, use and kill
 * sandboxes. Whatever the service has confirmed to a user stays true, and nothing else is left.
 */
#include <signal.h>
#include <stdlib.h>

#include "client.h"
#include "fixture.h"

#define ROUNDS 20
#define CALLS 6 /* of each user in each round */
#define ROUND_MS 150
#define TARGET 2

typedef enum { CREATE, RUN, KILL } Kind;

typedef struct {
    Kind kind;
    char *sandbox; /* NULL: it is being created */
    Pending *pending;
} Call;

typedef struct {
    GDBusConnection *bus;
    GPtrArray *sandboxes; /* paths of those that must exist */
    GPtrArray *calls;     /* of Call, in progress */
} User;

static void
call_free(gpointer data)
{
    Call *it = data;

    pending_free(it->pending);
    g_free(it->sandbox);
    g_free(it);
}

static void
user_init(User *user, GDBusConnection *bus)
{
    user->bus = bus;
    user->sandboxes = g_ptr_array_new_with_free_func(g_free);
    user->calls = g_ptr_array_new_with_free_func(call_free);
}

static void
user_clear(User *user)
{
    g_ptr_array_unref(user->sandboxes);
    g_ptr_array_unref(user->calls);
    fixture_leave(user->bus);
}

/* --- one round --- */

static void
begin_call(User *user)
{
    Call *it = g_new0(Call, 1);
    guint count = user->sandboxes->len;
    guint dice = (guint)g_test_rand_int_range(0, 4);
    guint which = count > 0 ? (guint)g_test_rand_int_range(0, (gint32)count) : 0;

    it->kind = count == 0 || dice <= 1 ? CREATE : dice == 2 ? RUN : KILL;
    if (it->kind == CREATE) {
        it->pending = call_start(user->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    } else if (it->kind == RUN) {
        it->sandbox = g_strdup(user->sandboxes->pdata[which]);
        it->pending = call_start(user->bus, it->sandbox, "Run", "(['true'], @a{sv} {})");
    } else {
        /* From now on, the sandbox may exist or not. */
        it->sandbox = g_ptr_array_steal_index_fast(user->sandboxes, which);
        it->pending = call_start(user->bus, it->sandbox, "Kill", "()");
    }
    g_ptr_array_add(user->calls, it);
}

/* A call may fail only because the service or the sandbox was killed meanwhile. */
static void
assert_cut_off(const GError *error)
{
    g_autofree char *name = g_dbus_error_get_remote_error(error);

    if (g_strcmp0(name, "org.freedesktop.DBus.Error.NoReply") != 0 &&
        g_strcmp0(name, "org.freedesktop.DBus.Error.ServiceUnknown") != 0 &&
        g_strcmp0(name, "org.cloche1.Error.NoSuchSandbox") != 0 &&
        g_strcmp0(name, "org.cloche1.Error.GuestLost") != 0)
        g_error("a call failed: %s", error->message);
}

static void
end_call(User *user, Call *it)
{
    char *sandbox;

    pending_wait(it->pending);
    if (it->pending->error) {
        assert_cut_off(it->pending->error);
        return;
    }
    if (it->kind != CREATE)
        return;
    g_variant_get(it->pending->answer, "(o)", &sandbox);
    g_ptr_array_add(user->sandboxes, sandbox);
}

static void
end_calls(User *user)
{
    for (guint i = 0; i < user->calls->len; i++)
        end_call(user, user->calls->pdata[i]);
    g_ptr_array_set_size(user->calls, 0);
}

/* Some instances of the service are killed before they have their bus name. */
static void
crash(Fixture *fixture)
{
    fixture_end(fixture, SIGKILL);
    while (g_test_rand_int_range(0, 3) == 0) {
        fixture_launch(fixture);
        run_loop_for((guint)g_test_rand_int_range(0, ROUND_MS));
        fixture_end(fixture, SIGKILL);
    }
    fixture_start(fixture);
}

/* --- checks --- */

static void
assert_promises(User *user)
{
    for (guint i = 0; i < user->sandboxes->len; i++)
        g_variant_unref(run_shell(user->bus, user->sandboxes->pdata[i], "true"));
}

static void
kill_all(User *user)
{
    g_autoptr(GVariant) answer = call(user->bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        const char *sandbox;

        g_variant_get_child(entry, 0, "&o", &sandbox);
        g_variant_unref(run_shell(user->bus, sandbox, "true"));
        kill_sandbox(user->bus, sandbox);
    }
}

/* All uses are 0 again. */
static void
assert_nothing_used(Fixture *fixture)
{
    g_autoptr(GVariant) answer = call(fixture->bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) all = g_variant_get_child_value(answer, 1);
    g_autoptr(GVariantIter) iter = g_variant_iter_new(all);
    guint64 used, limit;
    const char *name;

    g_assert_cmpint(g_variant_n_children(all), >, 0);
    while (g_variant_iter_next(iter, "{&s(tt)}", &name, &used, &limit))
        g_assert_cmpuint(used, ==, 0);
}

static guint
count_descriptors(const Fixture *fixture)
{
    g_autofree char *proc =
        g_build_filename("/proc", g_subprocess_get_identifier(fixture->service), NULL);

    return fixture_count_files(fixture, proc, "fd");
}

static void
settle(Fixture *fixture)
{
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", TARGET);
    fixture_wait_for_counts(fixture, TARGET);
}

static void
test_crashes(void)
{
    const FixtureOptions options = {.target = TARGET};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    User users[3];
    guint descriptors;

    for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
        user_init(&users[i], fixture_connect(fixture, (uid_t[]){0, 1, OTHER_UID}[i]));
    for (guint round = 0; round < ROUNDS; round++) {
        if (g_test_rand_int_range(0, 3) > 0) /* sometimes with a pool, so that creations are fast */
            wait_for_pool(fixture->bus, "minimal", "ready", TARGET);
        for (guint i = 0; i < CALLS * G_N_ELEMENTS(users); i++)
            begin_call(&users[i % G_N_ELEMENTS(users)]);
        run_loop_for((guint)g_test_rand_int_range(0, ROUND_MS));
        crash(fixture);
        for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
            end_calls(&users[i]);
        for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
            assert_promises(&users[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
        kill_all(&users[i]);
    settle(fixture);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, 0);
    assert_nothing_used(fixture);

    /* An instance that adopted and ended sandboxes has no more open descriptors than one that did
     * nothing. */
    descriptors = count_descriptors(fixture);
    fixture_restart(fixture, SIGTERM);
    settle(fixture);
    g_assert_cmpuint(descriptors, <=, count_descriptors(fixture));
    for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
        user_clear(&users[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/repeated-kills/anywhere", test_crashes);
    return g_test_run();
}
