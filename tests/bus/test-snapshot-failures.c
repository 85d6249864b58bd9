/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-snapshot-failures: what fails while a snapshot is taken leaves no part of one, and the
 * sandbox goes on. What is complete outlives the service.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "snapshot-calls.h"

#define NO_LIMIT "[Limits]\nSnapshotMiB=infinity\n[UserLimits]\nSnapshotMiB=infinity\n"

static const FixtureOptions plain = {.has_log = TRUE};

static char *
hold_captures(Fixture *fixture)
{
    return fixture_add_fifo(fixture, "control/capture-hold");
}

/* Returns when a capture stands still. `fifo` stays, for nobody. */
static FILE *
wait_for_capture(const char *fifo)
{
    FILE *file = fopen(fifo, "we"); /* waits for a reader */

    g_assert_nonnull(file);
    g_assert_cmpint(g_unlink(fifo), ==, 0);
    return file;
}

/* The processes of the sandbox run, nothing of a snapshot is left, and another one can be taken. */
static void
assert_unharmed(Fixture *fixture, const char *sandbox)
{
    g_autofree char *before = snapshot_used(fixture->bus), *id = NULL;

    snapshot_wait_for_folders(fixture, 0);
    g_assert_cmpstr(before, ==, "0, 0 MiB");
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    id = snapshot_take(fixture->bus, sandbox);
    snapshot_remove(fixture->bus, id);
    snapshot_wait_for_folders(fixture, 0);
}

static void
test_no_memory(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus);

    fixture_set_control(fixture, "capture-fails", "1");
    call_fails(fixture->bus, sandbox, "Snapshot", "Unsupported", "read no memory", NO_OPTIONS);
    assert_unharmed(fixture, sandbox);
}

static void
test_ran_before(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus);

    fixture_set_control(fixture, "release-fails", "1");
    call_fails(fixture->bus, sandbox, "Snapshot", "TimedOut", "the processors ran before",
               NO_OPTIONS);
    assert_unharmed(fixture, sandbox);
}

static void
test_busy(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture);
    g_autoptr(Pending) first = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo);
    g_autoptr(Pending) run = call_start(fixture->bus, sandbox, "Run", "(['true'], @a{sv} {})");

    call_fails(fixture->bus, sandbox, "Snapshot", "Busy", "is being taken", NO_OPTIONS);
    g_assert_false(run->done);
    fclose(capture);
    pending_wait(first);
    g_assert_no_error(first->error);
    pending_wait(run); /* it waited, and is not lost */
    g_assert_no_error(run->error);
}

static void
test_stalled(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus);

    fixture_stall(fixture, id_of(sandbox), TRUE);
    while (!fixture_log_has(fixture, "is paused"))
        run_loop_for(10);
    call_fails(fixture->bus, sandbox, "Snapshot", "Busy", "no disk space", NO_OPTIONS);
    fixture_stall(fixture, id_of(sandbox), FALSE);
    while (!fixture_log_has(fixture, "there is space on the disk again"))
        run_loop_for(10);
    assert_unharmed(fixture, sandbox);
}

static void
test_ended(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture), *used = NULL;
    g_autoptr(Pending) taken = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo);

    kill_sandbox(fixture->bus, sandbox);
    fclose(capture);
    pending_wait(taken);
    assert_error(taken->error, "GuestLost", "ended while the snapshot was taken");
    snapshot_wait_for_folders(fixture, 0);
    used = snapshot_used(fixture->bus);
    g_assert_cmpstr(used, ==, "0, 0 MiB");
}

/* --- the service dies --- */

static void
test_killed_in_the_moment(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture);
    g_autoptr(Pending) taken = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo);

    fixture_restart(fixture, SIGKILL);
    fclose(capture);
    pending_wait(taken);
    g_assert_nonnull(taken->error);
    assert_unharmed(fixture, sandbox);
    g_assert_true(fixture_log_has(fixture, "Removed 1 unfinished or damaged snapshots"));
}

static void
test_stopped_in_the_moment(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture);
    g_autoptr(Pending) taken = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo);

    fclose(capture);
    fixture_restart(fixture, SIGTERM);
    pending_wait(taken);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* The next instance of the service finds it standing still, and it stands still twice: paused, and
 * its processes frozen for a snapshot that nobody takes any more. */
static void
test_paused_in_the_moment(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture);
    g_autoptr(Pending) taken = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo);

    g_variant_unref(call(fixture->bus, sandbox, "Pause", "()"));
    fixture_restart(fixture, SIGKILL);
    fclose(capture);
    pending_wait(taken);
    g_assert_nonnull(taken->error);
    g_variant_unref(call(fixture->bus, sandbox, "Resume", NO_OPTIONS));
    assert_unharmed(fixture, sandbox);
}

static void
test_restart(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *id = snapshot_take(fixture->bus, sandbox),
                    *child = snapshot_create(fixture->bus, id), *second = NULL, *used = NULL;
    g_autoptr(GVariant) before = snapshot_find(fixture->bus, NO_OPTIONS, id), after = NULL,
                        property = NULL;

    fixture_restart(fixture, SIGKILL);
    after = snapshot_find(fixture->bus, NO_OPTIONS, id);
    g_assert_cmpvariant(before, after);
    used = snapshot_used(fixture->bus);
    g_assert_cmpstr(used, ==, "1, 1 MiB");
    g_variant_unref(run_shell(fixture->bus, child, "true"));
    property = get_property(fixture->bus, child, "Snapshot");
    g_assert_cmpstr(g_variant_get_string(property, NULL), ==, id);
    second = snapshot_create(fixture->bus, id);
    g_variant_unref(run_shell(fixture->bus, second, "true"));

    /* A removal outlives the service as well, and the files that a machine needs do. */
    snapshot_remove(fixture->bus, id);
    fixture_restart(fixture, SIGKILL);
    g_assert_null(snapshot_find(fixture->bus, NO_OPTIONS, id));
    g_variant_unref(run_shell(fixture->bus, child, "true"));
    snapshot_wait_for_folders(fixture, 1);
    kill_sandbox(fixture->bus, child);
    kill_sandbox(fixture->bus, second);
    snapshot_wait_for_folders(fixture, 0);
}

/* Nothing needs it any more when the service begins. */
static void
test_removed_while_away(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *id = snapshot_take(fixture->bus, sandbox),
                    *mark = snapshot_part(fixture, id, "removed");

    fixture_end(fixture, SIGKILL);
    g_assert_true(g_file_set_contents(mark, "", 0, NULL));
    fixture_start(fixture);
    snapshot_wait_for_folders(fixture, 0);
}

/* --- damage --- */

static void
test_damaged(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *id = snapshot_take(fixture->bus, sandbox),
                    *state = snapshot_part(fixture, id, "state"),
                    *conf = snapshot_part(fixture, id, "snapshot.conf"), *content = NULL;
    gsize size;

    fixture_end(fixture, SIGTERM);
    g_assert_true(g_file_get_contents(state, &content, &size, NULL));
    content[size - 1] ^= 1;
    g_assert_true(g_file_set_contents(state, content, (gssize)size, NULL));
    fixture_start(fixture);
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "TemplateDamaged", state,
               "({'snapshot': <%s>},)", id);

    fixture_end(fixture, SIGTERM);
    g_assert_cmpint(g_unlink(conf), ==, 0);
    fixture_start(fixture);
    snapshot_wait_for_folders(fixture, 0);
    g_assert_true(fixture_log_has(fixture, "is damaged and is removed"));
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* The template was rebuilt: the version below the snapshot stays. */
static void
test_base(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *id = snapshot_take(fixture->bus, sandbox),
                    *child = NULL;

    kill_sandbox(fixture->bus, sandbox);
    fixture_wait_for_counts(fixture, 0);
    fixture_end(fixture, SIGTERM);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_start(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "templates"), ==, 2);
    child = snapshot_create(fixture->bus, id);
    g_variant_unref(run_shell(fixture->bus, child, "true"));
    kill_sandbox(fixture->bus, child);
    fixture_wait_for_counts(fixture, 0);
    snapshot_remove(fixture->bus, id);
    snapshot_wait_for_folders(fixture, 0);
    while (fixture_count_files(fixture, fixture->state, "templates") != 1)
        run_loop_for(10);
    while (fixture_count_files(fixture, fixture->ram, "") != 1)
        run_loop_for(10);
}

/* --- a full disk --- */

static void
test_no_room(void)
{
    const FixtureOptions options = {.disk_mib = 60, .config = NO_LIMIT};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);

    call_fails(fixture->bus, sandbox, "Snapshot", "Failed",
               "The host's disk has no room for a snapshot: it may take 65 MiB", NO_OPTIONS);
    snapshot_wait_for_folders(fixture, 0);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* The disk gets full while the machine stands still. */
static void
test_gets_full(void)
{
    const FixtureOptions options = {.disk_mib = 80, .config = NO_LIMIT};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus), *fifo = hold_captures(fixture),
                    *fill = g_build_filename(fixture->state, "fill", NULL), *used = NULL;
    g_autoptr(Pending) taken = call_start(fixture->bus, sandbox, "Snapshot", NO_OPTIONS);
    FILE *capture = wait_for_capture(fifo), *full = fopen(fill, "we");
    static char zeroes[4096];

    setbuf(full, NULL);
    while (fwrite(zeroes, sizeof zeroes, 1, full) == 1)
        ;
    fclose(full);
    fclose(capture);
    pending_wait(taken);
    assert_error(taken->error, "Failed", "No space left on device");
    g_assert_cmpint(g_unlink(fill), ==, 0);
    snapshot_wait_for_folders(fixture, 0);
    used = snapshot_used(fixture->bus);
    g_assert_cmpstr(used, ==, "0, 0 MiB");
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshot-failures/no-memory", test_no_memory);
    g_test_add_func("/snapshot-failures/ran-before", test_ran_before);
    g_test_add_func("/snapshot-failures/busy", test_busy);
    g_test_add_func("/snapshot-failures/stalled", test_stalled);
    g_test_add_func("/snapshot-failures/ended", test_ended);
    g_test_add_func("/snapshot-failures/killed-in-the-moment", test_killed_in_the_moment);
    g_test_add_func("/snapshot-failures/stopped-in-the-moment", test_stopped_in_the_moment);
    g_test_add_func("/snapshot-failures/paused-in-the-moment", test_paused_in_the_moment);
    g_test_add_func("/snapshot-failures/restart", test_restart);
    g_test_add_func("/snapshot-failures/removed-while-away", test_removed_while_away);
    g_test_add_func("/snapshot-failures/damaged", test_damaged);
    g_test_add_func("/snapshot-failures/base", test_base);
    g_test_add_func("/snapshot-failures/no-room", test_no_room);
    g_test_add_func("/snapshot-failures/gets-full", test_gets_full);
    return g_test_run();
}
