/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-pause: a paused sandbox stands still, loses nothing, and goes on when it is resumed.
 *
 * A machine that stands still is a frozen cgroup: its processes execute nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "fake-record.h"
#include "fixture.h"

#define DAY_S 86400
#define NEAR_US (20 * G_USEC_PER_SEC)
#define PAUSED "is paused; Resume() continues it"

static void
pause_sandbox(GDBusConnection *bus, const char *sandbox)
{
    g_variant_unref(call(bus, sandbox, "Pause", "()"));
}

static void
resume_sandbox(GDBusConnection *bus, const char *sandbox)
{
    g_variant_unref(call(bus, sandbox, "Resume", NO_OPTIONS));
}

static char *
create_with(GDBusConnection *bus, const char *options)
{
    g_autofree char *words = g_strconcat("(", options, ",)", NULL);
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", words);
    char *path;

    g_variant_get(answer, "(o)", &path);
    return path;
}

static void
assert_state(GDBusConnection *bus, const char *sandbox, const char *state)
{
    g_autoptr(GVariant) value = get_property(bus, sandbox, "State");

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, state);
}

static guint64
expires(GDBusConnection *bus, const char *sandbox)
{
    g_autoptr(GVariant) value = get_property(bus, sandbox, "Expires");

    return g_variant_get_uint64(value);
}

static void
assert_expires_in(GDBusConnection *bus, const char *sandbox, guint64 seconds)
{
    gint64 left_us = (gint64)expires(bus, sandbox) - g_get_real_time();

    g_assert_cmpint(left_us, >, (gint64)seconds * G_USEC_PER_SEC - NEAR_US);
    g_assert_cmpint(left_us, <=, (gint64)seconds * G_USEC_PER_SEC);
}

/* Whether the machine's processes are stopped. */
static gboolean
stands_still(Fixture *fixture, const char *sandbox)
{
    g_autofree char *name = g_strconcat("cloche-", id_of(sandbox), NULL);
    g_autofree char *cgroup = fake_record_cgroup(fixture->control, name);
    g_autofree char *path = g_build_filename(cgroup, "cgroup.freeze", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return *text == '1';
}

/* Waits until the sandbox changes to this state. */
static void
wait_for_state(Listener *listener, const char *sandbox, const char *state)
{
    for (;;) {
        g_autoptr(GVariant) parameters = listener_wait(listener, sandbox, "PropertiesChanged");
        g_autoptr(GVariant) values = g_variant_get_child_value(parameters, 1);
        const char *changed = "";

        g_variant_lookup(values, "State", "&s", &changed);
        if (g_str_equal(changed, state))
            return;
    }
}

static Pending *
start_run(GDBusConnection *bus, const char *sandbox, const char *words)
{
    return call_start(bus, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);
}

static void
assert_output(Pending *pending, const char *expected)
{
    const char *output;

    pending_wait(pending);
    g_assert_no_error(pending->error);
    g_variant_get_child(pending->answer, 1, "&s", &output);
    g_assert_cmpstr(output, ==, expected);
}

/* --- one instance of the service --- */

/* A call in progress waits, and goes on. */
static void
test_stands_still(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){.has_log = TRUE});
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create(bus), *fifo = fixture_add_fifo(fixture, "fifo");
    g_autofree char *words = g_strdup_printf("read line < %s; echo $line", fifo);
    g_autoptr(Listener) listener = listener_new(bus);
    g_autoptr(Pending) run = start_run(bus, sandbox, words);
    FILE *writer = fopen(fifo, "w"); /* the shell has opened it, too */

    pause_sandbox(bus, sandbox);
    g_assert_true(stands_still(fixture, sandbox));
    wait_for_state(listener, sandbox, "paused");
    assert_state(bus, sandbox, "paused");
    assert_expires_in(bus, sandbox, DAY_S);
    fputs("later\n", writer);
    fclose(writer);
    call_fails(bus, sandbox, "ListProcesses", "Paused", PAUSED, "()");
    g_assert_false(run->done);

    resume_sandbox(bus, sandbox);
    g_assert_false(stands_still(fixture, sandbox));
    wait_for_state(listener, sandbox, "running");
    assert_expires_in(bus, sandbox, 300);
    assert_output(run, "later\n");
    g_assert_true(fixture_log_has(fixture, "was paused"));
    g_assert_true(fixture_log_has(fixture, "was resumed"));
    g_assert_false(fixture_log_has(fixture, "disk space"));
}

/* A repeated call changes nothing. */
static void
test_twice(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create(bus);
    guint64 end;

    end = expires(bus, sandbox);
    g_variant_unref(call(bus, sandbox, "Resume", "({'timeout': <@t 1000>},)"));
    assert_expires_in(bus, sandbox, 300);
    g_assert_cmpint(ABS((gint64)(expires(bus, sandbox) - end)), <, G_USEC_PER_SEC);
    pause_sandbox(bus, sandbox);
    end = expires(bus, sandbox);
    pause_sandbox(bus, sandbox);
    /* The time of day of a moment on another clock differs by microseconds. */
    g_assert_cmpint(ABS((gint64)(expires(bus, sandbox) - end)), <, 1000);
    g_assert_true(stands_still(fixture, sandbox));
}

/* Calls that arrive together are decided in turn. */
static void
test_together(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create(bus), *output = NULL;
    g_autoptr(Pending) first = call_start(bus, sandbox, "Pause", "()");
    g_autoptr(Pending) timeout = call_start(bus, sandbox, "SetTimeout", "(@t 500,)");
    g_autoptr(Pending) second = call_start(bus, sandbox, "Resume", "({'timeout': <@t 600>},)");
    g_autoptr(Pending) third = call_start(bus, sandbox, "Pause", "()");
    g_autoptr(Pending) last = call_start(bus, sandbox, "Resume", NO_OPTIONS);

    pending_wait(first);
    g_assert_no_error(first->error);
    pending_wait(timeout);
    assert_error(timeout->error, "Paused", PAUSED);
    pending_wait(second);
    g_assert_no_error(second->error);
    pending_wait(third);
    g_assert_no_error(third->error);
    pending_wait(last);
    g_assert_no_error(last->error);
    assert_state(bus, sandbox, "running");
    assert_expires_in(bus, sandbox, 600); /* the last timeout that it was given */
    output = run_output(bus, sandbox, "echo works");
    g_assert_cmpstr(output, ==, "works\n");
}

static void
assert_listed(GDBusConnection *bus, const char *state, gsize count)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes", "({'state': <%s>},)", state);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    g_assert_cmpuint(g_variant_n_children(list), ==, count);
}

static guint64
sandboxes_used(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    guint64 used, limit;

    g_assert_true(g_variant_lookup(own, "sandboxes", "(tt)", &used, &limit));
    return used;
}

/* The limit of code stands still with it. */
static void
test_code_timeout(void)
{
    const FixtureOptions options = {
        .has_python = TRUE, .python_runners = "", .default_template = "python"};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create(bus), *fifo = fixture_add_fifo(fixture, "fifo");
    g_autofree char *code = g_strdup_printf("print(open('%s').read())", fifo), *status = NULL;
    g_autofree char *warm = code_output(bus, sandbox, "print(1)");
    g_autoptr(Pending) run = call_start(bus, sandbox, "RunCode", "(%s, {'timeout': <@t 6>})", code);
    g_autoptr(GVariant) execution = NULL;
    FILE *writer = fopen(fifo, "w"); /* the code has begun */

    pause_sandbox(bus, sandbox);
    run_loop_for(7000);
    g_assert_false(run->done);
    resume_sandbox(bus, sandbox);
    fputs("late", writer);
    fclose(writer);
    pending_wait(run);
    g_assert_no_error(run->error);
    execution = g_variant_get_child_value(run->answer, 0);
    status = dict_string(execution, "status");
    g_assert_cmpstr(status, ==, "ok");
}

/* What works of a paused sandbox, and what does not. */
static void
test_calls(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){.has_python = TRUE});
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create(bus), *other = create(bus), *process = NULL;
    g_autoptr(GVariant) started =
        call(bus, sandbox, "Start", "(['sleep', '1000'], {'keep': <true>})");

    g_variant_get_child(started, 0, "o", &process);
    pause_sandbox(bus, sandbox);
    call_fails(bus, sandbox, "Run", "Paused", PAUSED, "(['true'], @a{sv} {})");
    call_fails(bus, sandbox, "SetTimeout", "Paused", PAUSED, "(@t 100,)");
    call_fails(bus, sandbox, "GetTraffic", "Paused", PAUSED, "()");
    call_fails(bus, sandbox, "ListContexts", "Paused", PAUSED, "()");
    call_fails(bus, process, "Signal", "Paused", PAUSED, "(9,)");
    call_fails(bus, sandbox, "Resume", "InvalidArgument", "timeout must be from 1 to",
               "({'timeout': <@t 0>},)");
    call_fails(bus, sandbox, "Resume", "QuotaExceeded", "The limit lifetime is 86400",
               "({'timeout': <@t 86401>},)");
    call_fails(bus, sandbox, "Resume", "InvalidArgument", "unknown option 'time'",
               "({'time': <@t 1>},)");
    g_variant_unref(get_all(bus, process));
    assert_listed(bus, "paused", 1);
    assert_listed(bus, "running", 1);
    g_assert_cmpuint(sandboxes_used(bus), ==, 2);
    assert_state(bus, sandbox, "paused");
    g_assert_true(stands_still(fixture, sandbox));
    kill_sandbox(bus, sandbox);
    g_assert_cmpuint(sandboxes_used(bus), ==, 1);
    call_fails(bus, sandbox, "Resume", "NoSuchSandbox", "has ended: killed", NO_OPTIONS);
    kill_sandbox(bus, other);
    fixture_wait_for_counts(fixture, 0);
}

/* All calls that arrive together find it running. */
static void
test_auto_resume(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create_with(bus, "{'auto-resume': <true>, 'timeout': <@t 700>}");
    g_autoptr(GVariant) all = get_all(bus, sandbox);
    g_autoptr(Pending) first = NULL, second = NULL;

    g_assert_true(dict_boolean(all, "AutoResume"));
    pause_sandbox(bus, sandbox);
    assert_state(bus, sandbox, "paused"); /* a property does not resume it */
    g_assert_true(stands_still(fixture, sandbox));
    first = start_run(bus, sandbox, "echo one");
    second = start_run(bus, sandbox, "echo two");
    assert_output(first, "one\n");
    assert_output(second, "two\n");
    assert_state(bus, sandbox, "running");
    assert_expires_in(bus, sandbox, 700);
}

/* Its timeout pauses it, again and again. Then a pause ends it. */
static void
test_on_timeout(void)
{
    const FixtureOptions options = {.config = "[Limits]\nPausedSec=5000\n"};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    GDBusConnection *bus = fixture->bus;
    g_autoptr(Listener) listener = listener_new(bus);
    g_autofree char *sandbox = create_with(bus, "{'on-timeout': <'pause'>, 'timeout': <@t 1>}");
    g_autofree char *action = NULL, *reason = NULL;
    g_autoptr(GVariant) all = get_all(bus, sandbox), removed = NULL;

    action = dict_string(all, "OnTimeout");
    g_assert_cmpstr(action, ==, "pause");
    wait_for_state(listener, sandbox, "paused");
    assert_expires_in(bus, sandbox, 5000);
    resume_sandbox(bus, sandbox);
    wait_for_state(listener, sandbox, "paused");
    fixture->options.config = NULL;
    fixture_configure(fixture, "[Limits]\nPausedSec=1\n");
    fixture_reload(fixture);
    g_variant_unref(call(bus, sandbox, "Resume", "({'timeout': <@t 900>},)"));
    pause_sandbox(bus, sandbox);
    removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_variant_get_child(removed, 2, "s", &reason);
    g_assert_cmpstr(reason, ==, "timed-out");
    fixture_wait_for_counts(fixture, 0);
}

/* The time of a pause does not count for the lifetime, and a default is cut to what is left. */
static void
test_lifetime(void)
{
    const FixtureOptions options = {.lifetime_s = 1000};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    GDBusConnection *bus = fixture->bus;
    g_autofree char *sandbox = create_with(bus, "{'timeout': <@t 1000>}");

    pause_sandbox(bus, sandbox);
    assert_expires_in(bus, sandbox, DAY_S);
    call_fails(bus, sandbox, "Resume", "QuotaExceeded", "The limit lifetime is 1000 seconds",
               "({'timeout': <@t 1001>},)");
    assert_state(bus, sandbox, "paused");
    resume_sandbox(bus, sandbox);
    assert_expires_in(bus, sandbox, 1000);
}

/* An unknown action is refused. */
static void
test_options(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    GDBusConnection *bus = fixture->bus;

    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument",
               "on-timeout: it must be 'kill' or 'pause'", "({'on-timeout': <'sleep'>},)");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument",
               "state: it must be 'running' or 'paused'", "({'state': <'ended'>},)");
}

/* --- the next instance --- */

/* Whatever ends the service: memory, processes and a call's effect are there. */
static void
assert_survives(int signal)
{
    const FixtureOptions options = {
        .has_python = TRUE, .python_runners = "", .default_template = "python"};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox =
        create_with(fixture->bus, "{'auto-resume': <true>, 'timeout': <@t 800>}");
    g_autofree char *before = code_output(fixture->bus, sandbox, "x = 'kept'"), *after = NULL;
    g_autofree char *process = NULL, *state = NULL;
    g_autoptr(GVariant) started =
        call(fixture->bus, sandbox, "Start", "(['sleep', '1000'], {'keep': <true>})"),
                        all = NULL;

    g_variant_get_child(started, 0, "o", &process);
    pause_sandbox(fixture->bus, sandbox);
    fixture_restart(fixture, signal);
    assert_state(fixture->bus, sandbox, "paused");
    assert_expires_in(fixture->bus, sandbox, DAY_S);
    g_assert_true(stands_still(fixture, sandbox));
    /* The call on the process waits until the agent has listed it. */
    g_variant_unref(call(fixture->bus, process, "Signal", "(18,)"));
    all = get_all(fixture->bus, process);
    state = dict_string(all, "State");
    g_assert_cmpstr(state, ==, "running");
    assert_state(fixture->bus, sandbox, "running");
    assert_expires_in(fixture->bus, sandbox, 800);
    after = code_output(fixture->bus, sandbox, "print(x)");
    g_assert_cmpstr(after, ==, "kept\n");

    /* It is not paused again. */
    fixture_restart(fixture, signal);
    assert_state(fixture->bus, sandbox, "running");
    assert_expires_in(fixture->bus, sandbox, 800);
}

static void
test_kill(void)
{
    assert_survives(SIGKILL);
}

static void
test_stop(void)
{
    assert_survives(SIGTERM);
}

/* The service died between the record and the machine. */
static void
test_half(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    g_autofree char *sandbox = create(fixture->bus), *output = NULL;

    pause_sandbox(fixture->bus, sandbox);
    fixture_end(fixture, SIGKILL);
    fixture_stall(fixture, id_of(sandbox), FALSE);
    fixture_start(fixture);
    assert_state(fixture->bus, sandbox, "paused");
    resume_sandbox(fixture->bus, sandbox);
    output = run_output(fixture->bus, sandbox, "echo works");
    g_assert_cmpstr(output, ==, "works\n");
}

/* An agent that does not answer after a pause is given up, also by the next instance. */
static void
test_hung(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    g_autofree char *sandbox = create(fixture->bus);
    g_autoptr(Listener) listener = NULL;
    g_autoptr(GVariant) removed = NULL;
    g_autofree char *reason = NULL;

    pause_sandbox(fixture->bus, sandbox);
    fixture_restart(fixture, SIGKILL);
    listener = listener_new(fixture->bus);
    /* libvirt says that the machine runs, but nothing in it does. */
    kill(fixture_find_agent(fixture, id_of(sandbox)), SIGSTOP);
    call_fails(fixture->bus, sandbox, "Run", "Paused", PAUSED, "(['true'], @a{sv} {})");
    resume_sandbox(fixture->bus, sandbox);
    call_fails(fixture->bus, sandbox, "Run", "Busy", "has not answered yet",
               "(['true'], @a{sv} {})");
    removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_variant_get_child(removed, 2, "s", &reason);
    g_assert_cmpstr(reason, ==, "guest-hung");
}

/* The timeout of a sandbox that is paused by it has passed while no service ran. */
static void
test_expired_meanwhile(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    g_autofree char *sandbox =
        create_with(fixture->bus, "{'on-timeout': <'pause'>, 'timeout': <@t 1>}");
    g_autofree char *output = NULL;

    fixture_end(fixture, SIGKILL);
    run_loop_for(1000);
    fixture_start(fixture);
    assert_state(fixture->bus, sandbox, "paused");
    assert_expires_in(fixture->bus, sandbox, DAY_S);
    g_variant_unref(call(fixture->bus, sandbox, "Resume", "({'timeout': <@t 100>},)"));
    output = run_output(fixture->bus, sandbox, "echo works");
    g_assert_cmpstr(output, ==, "works\n");
}

/* A pause that was too long ends a sandbox also while no service runs. */
static void
test_too_long(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&(FixtureOptions){0});
    g_autofree char *sandbox = create(fixture->bus);

    pause_sandbox(fixture->bus, sandbox);
    fixture_end(fixture, SIGKILL);
    fixture_edit_record(fixture, id_of(sandbox), "Deadline", "1");
    fixture_start(fixture);
    call_fails(fixture->bus, sandbox, "Resume", "NoSuchSandbox", "has ended: timed-out",
               NO_OPTIONS);
    fixture_wait_for_counts(fixture, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pause/stands-still", test_stands_still);
    g_test_add_func("/pause/twice", test_twice);
    g_test_add_func("/pause/together", test_together);
    g_test_add_func("/pause/code-timeout", test_code_timeout);
    g_test_add_func("/pause/calls", test_calls);
    g_test_add_func("/pause/auto-resume", test_auto_resume);
    g_test_add_func("/pause/on-timeout", test_on_timeout);
    g_test_add_func("/pause/lifetime", test_lifetime);
    g_test_add_func("/pause/options", test_options);
    g_test_add_func("/pause/kill", test_kill);
    g_test_add_func("/pause/stop", test_stop);
    g_test_add_func("/pause/half", test_half);
    g_test_add_func("/pause/hung", test_hung);
    g_test_add_func("/pause/expired-meanwhile", test_expired_meanwhile);
    g_test_add_func("/pause/too-long", test_too_long);
    return g_test_run();
}
