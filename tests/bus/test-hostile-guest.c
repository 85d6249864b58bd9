/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-hostile-guest: a guest that violates the protocol ends its own sandbox, with a reason, and
 * no other. */
#include <signal.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static Fixture *fixture;
static GDBusConnection *bus;
static char *neighbour; /* a sandbox with a real agent */

/* Sets the kind of the agents that start from now on; NULL: the real agent. */
static void
set_agent(const char *name)
{
    g_autofree char *path = g_build_filename(fixture->control, name ? name : "agent", NULL);

    if (!name) {
        unlink(path);
        return;
    }
    symlink(g_getenv("HOSTILE_AGENT"), path);
    fixture_set_control(fixture, "agent", path);
}

static void
assert_neighbour_lives(void)
{
    g_autoptr(GVariant) ran = run_shell(bus, neighbour, "hostname");
    g_autofree char *expected = g_strdup_printf("%s\n", id_of(neighbour));
    const char *out;

    g_variant_get_child(ran, 1, "&s", &out);
    g_assert_cmpstr(out, ==, expected);
}

/* The next SandboxRemoved must be that of the sandbox, with this reason. */
static void
assert_removed(Listener *listener, const char *sandbox, const char *reason)
{
    g_autoptr(GVariant) removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    const char *id, *why;

    g_variant_get(removed, "(&s&o&s)", &id, NULL, &why);
    g_assert_cmpstr(id, ==, id_of(sandbox));
    g_assert_cmpstr(why, ==, reason);
}

static void
assert_ends(const char *agent, const char *reason)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *message = g_strconcat("has ended: ", reason, NULL);
    g_autofree char *sandbox = NULL;

    set_agent(agent);
    sandbox = create(bus);
    set_agent(NULL);
    call_fails(bus, sandbox, "Run", "GuestLost", message, "(['true'], @a{sv} {})");
    assert_removed(listener, sandbox, reason);
    call_fails(bus, sandbox, "Kill", "NoSuchSandbox", message, "()");
    assert_neighbour_lives();
}

static void
test_protocol(void)
{
    static const char *const agents[] = {"garbage", "unknown-type", "unmarked",     "to-nobody",
                                         "credit",  "odd-status",   "greets-again", "stdin"};

    for (gsize i = 0; i < G_N_ELEMENTS(agents); i++) {
        g_test_message("%s", agents[i]);
        assert_ends(agents[i], "protocol-error");
    }
}

/* Endless output is discarded beyond its bound. Only its caller waits. */
static void
test_flood(void)
{
    g_autofree char *sandbox = NULL;
    g_autoptr(Pending) run = NULL;

    set_agent("flood");
    sandbox = create(bus);
    set_agent(NULL);
    run = call_start(bus, sandbox, "Run", "(['true'], @a{sv} {})");
    for (guint i = 0; i < 20; i++)
        assert_neighbour_lives();
    g_assert_false(run->done);
    kill_sandbox(bus, sandbox);
    pending_wait(run);
    assert_error(run->error, "GuestLost", "has ended: killed");
}

static void
test_ends(void)
{
    assert_ends("dies", "machine-lost");
    assert_ends("shuts-down", "guest-shut-down");
    assert_ends("panics", "guest-panicked");
    assert_ends("hangs-up", "machine-lost");
}

static void
test_agent_is_killed(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *sandbox = create(bus);
    g_autoptr(Pending) run = call_start(bus, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");

    g_variant_unref(get_property(bus, sandbox, "State"));
    g_assert_cmpint(kill(fixture_find_agent(fixture, id_of(sandbox)), SIGKILL), ==, 0);
    pending_wait(run);
    assert_error(run->error, "GuestLost", "has ended: machine-lost");
    assert_removed(listener, sandbox, "machine-lost");
    assert_neighbour_lives();
}

static void
test_other_version(void)
{
    g_autoptr(GVariant) ran = NULL;
    g_autofree char *sandbox = NULL;

    set_agent("newer");
    call_fails(bus, MANAGER, "CreateSandbox", "Unsupported",
               "version 6 of the protocol, not 2 to 5: build the image again", NO_OPTIONS);
    set_agent("too-old");
    call_fails(bus, MANAGER, "CreateSandbox", "Unsupported",
               "version 1 of the protocol, not 2 to 5", NO_OPTIONS);
    set_agent(NULL);
    sandbox = create(bus);
    ran = run_shell(bus, sandbox, "true");
    kill_sandbox(bus, sandbox);
}

/* A guest that refuses its claim is not given to a caller. */
static void
test_refused_claim(void)
{
    set_agent("refuses-claim");
    call_fails(bus, MANAGER, "CreateSandbox", "GuestLost", "", NO_OPTIONS);
    set_agent(NULL);
    assert_neighbour_lives();
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 0};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hostile-guest/protocol", test_protocol);
    g_test_add_func("/hostile-guest/flood", test_flood);
    g_test_add_func("/hostile-guest/ends", test_ends);
    g_test_add_func("/hostile-guest/agent-is-killed", test_agent_is_killed);
    g_test_add_func("/hostile-guest/other-version", test_other_version);
    g_test_add_func("/hostile-guest/refused-claim", test_refused_claim);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    neighbour = create(bus);
    status = g_test_run();
    g_free(neighbour);
    fixture_free(fixture);
    return status;
}
