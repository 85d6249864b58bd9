/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pool: machines that are made ready in advance, and their limits. */
#include <signal.h>

#include "client.h"
#include "fixture.h"

#define SANDBOXES_MAX 5
#define MEMORY_MAX (6 * MEMORY_MIB)

static GDBusConnection *bus;

static Fixture *
begin(guint target)
{
    const FixtureOptions options = {
        .target = target, .sandboxes = SANDBOXES_MAX, .memory_mib = MEMORY_MAX};
    Fixture *fixture = fixture_new(&options);

    bus = fixture->bus;
    g_variant_unref(wait_for_template(bus, "minimal"));
    return fixture;
}

static guint64
figure(const char *name)
{
    return pool_figure(bus, "minimal", name);
}

static void
test_figures(void)
{
    g_autoptr(Fixture) fixture = begin(2);
    g_autofree char *sandbox = NULL;

    wait_for_pool(bus, "minimal", "ready", 2);
    g_assert_cmpuint(figure("target"), ==, 2);
    g_assert_cmpuint(figure("starting"), ==, 0);
    g_assert_cmpuint(figure("waiting"), ==, 0);
    g_assert_cmpuint(figure("claimed"), ==, 0);
    g_assert_cmpuint(figure("restored"), ==, 2);
    g_assert_cmpuint(figure("failed"), ==, 0);

    fixture_hold(fixture);
    sandbox = create(bus);
    g_assert_cmpuint(figure("ready"), ==, 1);
    g_assert_cmpuint(figure("claimed"), ==, 1);
    wait_for_pool(bus, "minimal", "starting", 1);
    fixture_release(fixture);
    wait_for_pool(bus, "minimal", "ready", 2);
    g_assert_cmpuint(figure("restored"), ==, 3);
}

/* What was used never comes back. */
static void
test_no_machine_is_used_twice(void)
{
    g_autoptr(Fixture) fixture = begin(1);

    for (guint i = 0; i < 5; i++) {
        g_autofree char *sandbox = create(bus);
        g_autoptr(GVariant) ran = run_shell(bus, sandbox, "hostname; hostname used");
        g_autofree char *expected = g_strdup_printf("%s\n", id_of(sandbox));
        const char *out;

        g_variant_get_child(ran, 1, "&s", &out);
        g_assert_cmpstr(out, ==, expected);
        kill_sandbox(bus, sandbox);
    }
}

static void
test_waiting(void)
{
    g_autoptr(Fixture) fixture = begin(1);
    g_autofree char *first = NULL;
    g_autoptr(Pending) second = NULL, third = NULL;

    wait_for_pool(bus, "minimal", "ready", 1);
    fixture_hold(fixture);
    first = create(bus);
    second = call_start(bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    third = call_start(bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_pool(bus, "minimal", "waiting", 2);
    g_assert_false(second->done);
    fixture_release(fixture);
    pending_wait(second);
    pending_wait(third);
    g_assert_no_error(second->error);
    g_assert_no_error(third->error);
    g_assert_cmpuint(figure("waiting"), ==, 0);
    g_assert_cmpuint(figure("claimed"), ==, 3);
}

static void
test_restores_that_fail(void)
{
    g_autoptr(Fixture) fixture = begin(0);
    g_autofree char *sandbox = NULL;

    fixture_set_control(fixture, "fail", "2");
    sandbox = create(bus);
    g_assert_cmpuint(figure("failed"), ==, 2);

    fixture_set_control(fixture, "fail", "3");
    call_fails(bus, MANAGER, "CreateSandbox", "Failed", "The test wants this start to fail",
               NO_OPTIONS);
    g_assert_cmpuint(figure("failed"), ==, 5);
    g_variant_unref(run_shell(bus, sandbox, "true"));
    g_free(sandbox);
    sandbox = create(bus);
}

static void
test_machine_that_dies_unused(void)
{
    g_autoptr(Fixture) fixture = begin(1);
    g_autofree char *sandbox = NULL;

    wait_for_pool(bus, "minimal", "ready", 1);
    g_assert_cmpint(kill(fixture_find_agent(fixture, NULL), SIGKILL), ==, 0);
    wait_for_pool(bus, "minimal", "restored", 2);
    sandbox = create(bus);
    g_variant_unref(run_shell(bus, sandbox, "true"));
}

static void
test_sandboxes(void)
{
    g_autoptr(Fixture) fixture = begin(0);
    g_autofree char *last = NULL;

    for (guint i = 0; i < SANDBOXES_MAX; i++) {
        g_free(last);
        last = create(bus);
    }
    call_fails(bus, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 0 is reached: 5 of 5", NO_OPTIONS);
    kill_sandbox(bus, last);
    g_free(last);
    last = create(bus);
}

/* Those under way count, too. */
static void
test_sandboxes_at_once(void)
{
    g_autoptr(Fixture) fixture = begin(0);
    Pending *calls[SANDBOXES_MAX + 3];
    guint refused = 0;

    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        calls[i] = call_start(bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        pending_wait(calls[i]);
        if (calls[i]->error) {
            assert_error(calls[i]->error, "QuotaExceeded",
                         "limit sandboxes of user 0 is reached: 5 of 5");
            refused++;
        }
        pending_free(calls[i]);
    }
    g_assert_cmpint(refused, ==, 3);
}

static void
test_memory(void)
{
    const FixtureOptions options = {.target = 0, .memory_mib = 2 * MEMORY_MIB};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *first = NULL, *second = NULL, *third = NULL;

    bus = fixture->bus;
    g_variant_unref(wait_for_template(bus, "minimal"));
    first = create(bus);
    second = create(bus);
    call_fails(bus, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit memory-mib of user 0 is reached", NO_OPTIONS);
    kill_sandbox(bus, first);
    third = create(bus); /* waits until the first one's machine is gone */
    g_variant_unref(run_shell(bus, third, "true"));
}

static char *
create_of(const char *words)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", words);
    char *path;

    g_variant_get(answer, "(o)", &path);
    return path;
}

/* The machines that one pool keeps ready make room for callers of the other. */
static void
test_room(void)
{
    const FixtureOptions options = {.target = 5, .memory_mib = 2 * MEMORY_MIB, .has_other = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    static const char *const templates[] = {"other", "minimal", "other"};

    bus = fixture->bus;
    g_variant_unref(wait_for_template(bus, "minimal"));
    g_variant_unref(wait_for_template(bus, "other"));
    for (gsize i = 0; i < G_N_ELEMENTS(templates); i++) {
        g_autofree char *words = g_strdup_printf("({'template': <'%s'>},)", templates[i]);
        g_autofree char *first = create_of(words), *second = create_of(words);

        call_fails(bus, MANAGER, "CreateSandbox", "QuotaExceeded",
                   "limit memory-mib of user 0 is reached", words);
        kill_sandbox(bus, first);
        kill_sandbox(bus, second);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/figures", test_figures);
    g_test_add_func("/pool/no-machine-is-used-twice", test_no_machine_is_used_twice);
    g_test_add_func("/pool/waiting", test_waiting);
    g_test_add_func("/pool/restores-that-fail", test_restores_that_fail);
    g_test_add_func("/pool/machine-that-dies-unused", test_machine_that_dies_unused);
    g_test_add_func("/limits/sandboxes", test_sandboxes);
    g_test_add_func("/limits/sandboxes-at-once", test_sandboxes_at_once);
    g_test_add_func("/limits/memory", test_memory);
    g_test_add_func("/limits/room", test_room);
    return g_test_run();
}
