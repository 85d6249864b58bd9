/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-silent-agent: the service gives up an agent that has not answered for GUEST_HUNG_S, and no
 * other.
 *
 * This takes as long as that, so it is a program of its own, which others may run beside.
 */
#include <signal.h>

#include "client.h"
#include "fixture.h"
#include "link.h"

#define LONGER_S 25
G_STATIC_ASSERT(LONGER_S > GUEST_HUNG_S);

static Fixture *fixture;
static GDBusConnection *bus;

static void
test_hung(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *sandbox = create(bus), *idle = create(bus), *busy = create(bus);
    gint64 begin_us = g_get_monotonic_time();
    g_autoptr(Pending) lost = NULL, works = NULL;
    g_autoptr(GVariant) removed = NULL;
    const char *id, *reason;

    /* Both of these agents are stopped, but only from one of them something is due. */
    g_assert_cmpint(kill(fixture_find_agent(fixture, id_of(sandbox)), SIGSTOP), ==, 0);
    g_assert_cmpint(kill(fixture_find_agent(fixture, id_of(idle)), SIGSTOP), ==, 0);
    lost = call_start(bus, sandbox, "Run", "(['true'], @a{sv} {})");
    works = call_start(bus, busy, "Run", "(['sleep', %s], @a{sv} {})", G_STRINGIFY(LONGER_S));
    removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_variant_get(removed, "(&s&o&s)", &id, NULL, &reason);
    g_assert_cmpstr(id, ==, id_of(sandbox));
    g_assert_cmpstr(reason, ==, "guest-hung");
    g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, (GUEST_HUNG_S - 1) * G_USEC_PER_SEC);
    pending_wait(lost);
    assert_error(lost->error, "GuestLost", "has ended: guest-hung");

    /* A program that says nothing for longer is none that hangs. */
    pending_wait(works);
    g_assert_no_error(works->error);
    g_assert_cmpint(kill(fixture_find_agent(fixture, id_of(idle)), SIGCONT), ==, 0);
    g_variant_unref(run_shell(bus, idle, "true"));
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 0};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/silent-agent/agent", test_hung);
    return fixture_run_tests(&options, &fixture, &bus);
}
