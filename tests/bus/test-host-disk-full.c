/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-host-disk-full: the service does not give up a machine that is paused because the host's
 * disk is full.
 *
 * The service gives up other silent machines after GUEST_HUNG_S, so this program waits longer than
 * that, once for all cases: their sandboxes are created first.
 */
#include <signal.h>

#include "client.h"
#include "fixture.h"
#include "link.h"

#define LONGER_S (GUEST_HUNG_S + 5)

/* A service with a sandbox, and a call in progress. */
typedef struct {
    Fixture *fixture;
    char *sandbox;
    Pending *call;
} Case;

static Case
begin(const FixtureOptions *options)
{
    Case it = {.fixture = fixture_new(options)};

    it.sandbox = create(it.fixture->bus);
    return it;
}

static void
ask(Case *it)
{
    it->call = call_start(it->fixture->bus, it->sandbox, "Run", "(['true'], @a{sv} {})");
}

/* The sandbox has not ended, and completes the call when there is space again. */
static void
go_on(Case *it)
{
    g_autoptr(GVariant) state = get_property(it->fixture->bus, it->sandbox, "State");

    g_assert_cmpstr(g_variant_get_string(state, NULL), ==, "running");
    g_assert_false(it->call->done);
    fixture_stall(it->fixture, id_of(it->sandbox), FALSE);
    pending_wait(it->call);
    g_assert_no_error(it->call->error);
}

static void
case_clear(Case *it)
{
    pending_free(it->call);
    g_free(it->sandbox);
    fixture_free(it->fixture);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Waits longer than other machines may be silent. */
static void
wait_longer(void)
{
    gboolean is_over = FALSE;

    g_timeout_add_seconds(LONGER_S, on_time, &is_over);
    wait_until(&is_over);
}

static void
test_stalled(void)
{
    static const FixtureOptions plain = {.has_log = TRUE};
    static const FixtureOptions python = {
        .has_python = TRUE, .python_runners = "", .default_template = "python"};
    g_auto(Case) asked = begin(&plain), adopted = begin(&python), frozen = begin(&plain);
    g_autofree char *before = code_output(adopted.fixture->bus, adopted.sandbox, "x = 'kept'");
    g_autofree char *after = NULL;

    fixture_stall(asked.fixture, id_of(asked.sandbox), TRUE);
    ask(&asked);

    /* The next instance of the service finds it paused, and does not wait for it. */
    fixture_stall(adopted.fixture, id_of(adopted.sandbox), TRUE);
    fixture_restart(adopted.fixture, SIGKILL);
    ask(&adopted);

    /* A machine that is silent without a reason is not adopted. */
    fixture_end(frozen.fixture, SIGKILL);
    fixture_freeze(frozen.fixture, id_of(frozen.sandbox), TRUE);
    fixture_launch(frozen.fixture);

    wait_longer();
    go_on(&asked);
    g_assert_true(fixture_log_has(asked.fixture, "is paused"));
    go_on(&adopted);
    after = code_output(adopted.fixture->bus, adopted.sandbox, "print(x)");
    g_assert_cmpstr(after, ==, "kept\n");
    ask(&frozen);
    pending_wait(frozen.call);
    assert_error(frozen.call->error, "NoSuchSandbox", "has ended: guest-hung");
}

/* A paused pool machine is given up, because its next caller would wait. */
static void
test_pool(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *first = NULL, *second = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    fixture_wait_for_machines(fixture, 1); /* that of the template has ended */
    first = fixture_find_other(fixture, "");
    fixture_stall(fixture, first, TRUE);
    wait_for_pool(fixture->bus, "minimal", "restored", 2);
    fixture_wait_for_counts(fixture, 1);
    second = fixture_find_other(fixture, "");
    g_assert_cmpstr(second, !=, first);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-disk-full/sandbox", test_stalled);
    g_test_add_func("/host-disk-full/pool", test_pool);
    return g_test_run();
}
