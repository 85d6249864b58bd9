/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-clock: the service sets a sandbox's clock at intervals, and after pauses and restarts.
 *
 * The agents are hostile-agent as "timekeeper", which reports each time to this test.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

#define OFTEN_MS 20
#define NEAR_NS (10 * G_GINT64_CONSTANT(1000000000))

typedef struct {
    Fixture *fixture;
    FILE *clocks;
} Case;

static void
set_agent(Case *it, const char *name)
{
    g_autofree char *path = g_build_filename(it->fixture->control, name, NULL);

    g_assert_cmpint(symlink(g_getenv("HOSTILE_AGENT"), path), ==, 0);
    fixture_set_control(it->fixture, "agent", path);
}

static Case
begin(const FixtureOptions *options)
{
    Case it = {.fixture = fixture_new(options)};
    g_autofree char *path = g_build_filename(it.fixture->control, "clocks", NULL);

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    it.clocks = fopen(path, "r+"); /* so that it never waits for a writer, nor reads an end */
    g_assert_nonnull(it.clocks);
    set_agent(&it, "timekeeper");
    return it;
}

static void
case_clear(Case *it)
{
    fixture_free(it->fixture);
    fclose(it->clocks);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

static gint64
now_ns(void)
{
    return g_get_real_time() * 1000;
}

/* Returns the sandbox whose clock is set next, and its time. */
static char *
wait_for_clock(Case *it, gint64 *ret_ns)
{
    char line[128], *space;
    gint64 ns;

    g_assert_nonnull(fgets(line, sizeof line, it->clocks));
    space = strchr(line, ' ');
    g_assert_nonnull(space);
    ns = g_ascii_strtoll(space + 1, NULL, 10);
    g_assert_cmpint(ABS(now_ns() - ns), <, NEAR_NS);
    if (ret_ns)
        *ret_ns = ns;
    return g_strndup(line, (gsize)(space - line));
}

static gint64
wait_for_clock_of(Case *it, const char *sandbox)
{
    gint64 ns;
    g_autofree char *id = wait_for_clock(it, &ns);

    g_assert_cmpstr(id, ==, id_of(sandbox));
    return ns;
}

static void
extend(Case *it, const char *sandbox)
{
    g_autoptr(GVariant) done = call(it->fixture->bus, sandbox, "SetTimeout", "(@t 300,)");

    g_assert_nonnull(done);
}

/* Repeats the call, because the service sends no frame before it has the answer to the previous
 * one. */
static void
extend_until_clock(Case *it, const char *sandbox)
{
    GPollFD clocks = {.fd = fileno(it->clocks), .events = G_IO_IN};

    do
        extend(it, sandbox);
    while (g_poll(&clocks, 1, /* timeout_ms= */ 100) == 0);
}

/* Clocks of sandboxes are set at each interval; those of pool machines never. */
static void
test_interval(void)
{
    static const FixtureOptions options = {.target = 1, .clock_ms = OFTEN_MS};
    g_auto(Case) it = begin(&options);
    g_autofree char *first = create(it.fixture->bus), *second = NULL;
    gint64 last_ns = 0;
    gboolean has_second = FALSE;

    wait_for_pool(it.fixture->bus, "minimal", "ready", 1);
    for (guint i = 0; i < 5; i++) {
        gint64 ns = wait_for_clock_of(&it, first);

        g_assert_cmpint(ns, >, last_ns);
        last_ns = ns;
    }
    second = create(it.fixture->bus);
    while (!has_second) {
        g_autofree char *id = wait_for_clock(&it, NULL);

        has_second = g_str_equal(id, id_of(second));
        g_assert_true(has_second || g_str_equal(id, id_of(first)));
    }
}

/* The interval is so long that only SetTimeout() sets the clock. */
static void
test_extended(void)
{
    static const FixtureOptions options = {0};
    g_auto(Case) it = begin(&options);
    g_autofree char *sandbox = create(it.fixture->bus);
    gint64 begin_ns = now_ns();

    extend(&it, sandbox);
    g_assert_cmpint(wait_for_clock_of(&it, sandbox), >=, begin_ns);
    call_fails(it.fixture->bus, sandbox, "SetTimeout", "InvalidArgument", "", "(@t 0,)");
    begin_ns = now_ns();
    extend_until_clock(&it, sandbox);
    g_assert_cmpint(wait_for_clock_of(&it, sandbox), >=, begin_ns);
}

/* Returns when the service knows it, which only its log shows. */
static void
stall(Case *it, const char *sandbox)
{
    fixture_stall(it->fixture, id_of(sandbox), TRUE);
    while (!fixture_log_has(it->fixture, "is paused"))
        g_variant_unref(get_property(it->fixture->bus, sandbox, "State"));
}

/* No time is sent to a paused sandbox, because it would be late by the time of the pause. */
static void
test_stalled(void)
{
    static const FixtureOptions options = {.has_log = TRUE};
    g_auto(Case) it = begin(&options);
    g_autofree char *sandbox = create(it.fixture->bus);
    gint64 goes_on_ns;

    stall(&it, sandbox);
    extend(&it, sandbox);
    goes_on_ns = now_ns();
    fixture_stall(it.fixture, id_of(sandbox), FALSE);
    g_assert_cmpint(wait_for_clock_of(&it, sandbox), >=, goes_on_ns);
}

/* The clock is set before the call that resumed the sandbox gets to the guest. */
static void
test_resumed(void)
{
    static const FixtureOptions options = {0};
    g_auto(Case) it = begin(&options);
    GDBusConnection *bus = it.fixture->bus;
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", "({'auto-resume': <true>},)");
    g_autofree char *sandbox = NULL, *output = NULL;
    GPollFD clocks = {.fd = fileno(it.clocks), .events = G_IO_IN};
    gint64 begin_ns;

    g_variant_get(answer, "(o)", &sandbox);
    g_variant_unref(call(bus, sandbox, "Pause", "()"));
    begin_ns = now_ns();
    output = run_output(bus, sandbox, "echo works");
    g_assert_cmpint(g_poll(&clocks, 1, /* timeout_ms= */ 0), ==, 1);
    g_assert_cmpint(wait_for_clock_of(&it, sandbox), >=, begin_ns);
}

/* The next instance of the service sets the clock at once, because it does not know the last time,
 * and then at each interval. */
static void
test_restarted(void)
{
    static const FixtureOptions seldom = {0}, often = {.clock_ms = OFTEN_MS};
    g_auto(Case) it = begin(&seldom);
    g_autofree char *sandbox = create(it.fixture->bus);
    gint64 restart_ns = now_ns();

    fixture_restart(it.fixture, SIGKILL);
    g_assert_cmpint(wait_for_clock_of(&it, sandbox), >=, restart_ns);
    it.fixture->options.clock_ms = often.clock_ms;
    fixture_restart(it.fixture, SIGTERM);
    for (guint i = 0; i < 3; i++)
        wait_for_clock_of(&it, sandbox);
    it.fixture->options.clock_ms = 0;

    fixture_end(it.fixture, SIGKILL);
    fixture_stall(it.fixture, id_of(sandbox), TRUE);
    fixture_start(it.fixture);
    restart_ns = now_ns();
    fixture_stall(it.fixture, id_of(sandbox), FALSE);
    while (wait_for_clock_of(&it, sandbox) < restart_ns)
        ;
}

/* An old agent does not get the frame, because it exits on unknown frames. */
static void
test_old(void)
{
    static const FixtureOptions options = {.clock_ms = OFTEN_MS};
    g_auto(Case) it = begin(&options);
    g_autofree char *sandbox = create(it.fixture->bus), *old = NULL;
    g_autoptr(GVariant) ran = NULL;

    set_agent(&it, "old");
    old = create(it.fixture->bus);
    for (guint i = 0; i < 5; i++)
        wait_for_clock_of(&it, sandbox);
    extend(&it, old);
    ran = call(it.fixture->bus, old, "Run", "(['true'], @a{sv} {})");
    g_assert_nonnull(ran);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/interval", test_interval);
    g_test_add_func("/clock/extended", test_extended);
    g_test_add_func("/clock/stalled", test_stalled);
    g_test_add_func("/clock/resumed", test_resumed);
    g_test_add_func("/clock/restarted", test_restarted);
    g_test_add_func("/clock/old", test_old);
    return g_test_run();
}
