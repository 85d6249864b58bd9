/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-adoption-failures: a machine that does not answer a restarted service delays no other
 * sandbox, and one that makes the service crash again and again is given up.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static const FixtureOptions plain = {.target = 0, .has_log = TRUE};

static gboolean
record_has(Fixture *fixture, const char *sandbox, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->state, "sandboxes", id_of(sandbox), NULL);
    g_autofree char *record = NULL;

    g_assert_true(g_file_get_contents(path, &record, NULL, NULL));
    return strstr(record, text) != NULL;
}

/* A machine stands still over several restarts. It is neither ended nor blamed for them. */
static void
test_silent(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *silent = create(fixture->bus), *other = create(fixture->bus);
    g_autoptr(Pending) waits = NULL;

    fixture_freeze(fixture, id_of(silent), TRUE);
    for (int i = 0; i < 6; i++) {
        fixture_restart(fixture, SIGKILL);
        g_variant_unref(get_all(fixture->bus, silent));
        g_variant_unref(run_shell(fixture->bus, other, "true"));
        g_variant_unref(wait_for_template(fixture->bus, "minimal"));
        g_assert_false(record_has(fixture, silent, "Deaths"));
    }
    call_fails(fixture->bus, silent, "ListPorts", "Busy", "has not answered yet", "()");
    waits = call_start(fixture->bus, silent, "Run", "(['true'], @a{sv} {})");
    g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
    fixture_freeze(fixture, id_of(silent), FALSE);
    pending_wait(waits);
    g_assert_no_error(waits->error);
}

/* --- guests that send something and then nothing --- */

/* A sandbox whose agent sends one byte to each further instance of the service. */
static char *
create_reticent(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->control, "reticent", NULL);
    char *sandbox;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_assert_cmpint(symlink(g_getenv("HOSTILE_AGENT"), path), ==, 0);
    fixture_set_control(fixture, "agent", path);
    sandbox = create(fixture->bus);
    fixture_set_control(fixture, "agent", NULL);
    return sandbox;
}

/* Waits until the record counts this many deaths. */
static void
wait_for_deaths(Fixture *fixture, const char *sandbox, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->state, "sandboxes", NULL);
    int fd = inotify_init1(IN_CLOEXEC);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char events[4096];

    g_assert_cmpint(inotify_add_watch(fd, path, IN_MOVED_TO), >=, 0);
    while (!record_has(fixture, sandbox, text)) {
        g_assert_cmpint(poll(&wait, 1, 30000), ==, 1);
        g_assert_cmpint(read(fd, events, sizeof events), >, 0);
    }
    close(fd);
}

static void
end_service(Fixture *fixture, int signal)
{
    g_autoptr(GSubprocess) service = g_steal_pointer(&fixture->service);

    g_subprocess_send_signal(service, signal);
    g_assert_true(g_subprocess_wait(service, NULL, NULL));
    g_assert_true(g_subprocess_get_if_signaled(service));
}

static void
assert_given_up(Fixture *fixture, const char *sandbox)
{
    fixture_start(fixture);
    call_fails(fixture->bus, sandbox, "Kill", "NoSuchSandbox", "has ended: protocol-error", "()");
    g_assert_true(fixture_log_has(
        fixture, "protocol-error: the service died again and again while it adopted this machine"));
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_wait_for_counts(fixture, 1);
}

/* The service crashes twice in the adoption: the third instance does without the machine. */
static void
test_crashes(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *other = create(fixture->bus), *sandbox = create_reticent(fixture);

    fixture_restart(fixture, SIGKILL);
    wait_for_deaths(fixture, sandbox, "Deaths=1\n");
    g_variant_unref(run_shell(fixture->bus, other, "true"));
    end_service(fixture, SIGABRT);
    fixture_start(fixture);
    wait_for_deaths(fixture, sandbox, "Deaths=9\n"); /* a crash counts eight times */
    end_service(fixture, SIGSEGV);
    assert_given_up(fixture, sandbox);
    g_variant_unref(run_shell(fixture->bus, other, "true"));
    g_assert_false(record_has(fixture, other, "Deaths"));
}

/* Somebody who kills the service is not the guest: that takes longer. */
static void
test_kills(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *other = create(fixture->bus), *sandbox = create_reticent(fixture);

    for (int i = 1; i <= 16; i++) {
        g_autofree char *count = g_strdup_printf("Deaths=%d\n", i);

        end_service(fixture, SIGKILL);
        fixture_start(fixture);
        wait_for_deaths(fixture, sandbox, count);
    }
    end_service(fixture, SIGKILL);
    assert_given_up(fixture, sandbox);
    g_variant_unref(run_shell(fixture->bus, other, "true"));
}

static void
add_to_record(Fixture *fixture, const char *sandbox, const char *line)
{
    g_autofree char *path = g_build_filename(fixture->state, "sandboxes", id_of(sandbox), NULL);
    FILE *record = fopen(path, "a");

    g_assert_nonnull(record);
    g_assert_cmpint(fputs(line, record), >=, 0);
    g_assert_cmpint(fclose(record), ==, 0);
}

/* A machine that is adopted in the end has a clean record. */
static void
test_forgiven(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus);

    fixture_end(fixture, SIGKILL);
    add_to_record(fixture, sandbox, "Deaths=3\n");
    g_assert_true(record_has(fixture, sandbox, "Deaths"));
    fixture_start(fixture);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    g_assert_false(record_has(fixture, sandbox, "Deaths"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/adoption-failures/silent", test_silent);
    g_test_add_func("/adoption-failures/crashes", test_crashes);
    g_test_add_func("/adoption-failures/kills", test_kills);
    g_test_add_func("/adoption-failures/forgiven", test_forgiven);
    return g_test_run();
}
