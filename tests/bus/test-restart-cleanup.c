/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-restart-cleanup: a restarted service ends the sandboxes that it cannot adopt, with a reason,
 * and removes everything that belonged to them. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"
#include "util.h"

static const FixtureOptions plain = {.target = 0, .has_log = TRUE};

static void
assert_ended(Fixture *fixture, const char *sandbox, const char *reason)
{
    g_autofree char *message = g_strdup_printf("has ended: %s", reason);
    g_autofree char *told =
        g_strdup_printf("Sandbox %s of uid 0 has ended: %s", id_of(sandbox), reason);

    /* A call that uses the machine waits until the service has decided about it. */
    call_fails(fixture->bus, sandbox, "ListPorts", "NoSuchSandbox", message, "()");
    g_assert_true(fixture_log_has(fixture, told));
}

/* After the start, only these sandboxes are left. The rest is removed by the time the template is
 * ready. */
static void
assert_only(Fixture *fixture, guint sandboxes)
{
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "minimal");

    fixture_wait_for_counts(fixture, sandboxes);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, sandboxes);
}

/* Two sandboxes. One is damaged while the service does not run, and the other continues. */
typedef struct {
    Fixture *fixture;
    char *sandbox, *other;
} Case;

static Case
begin(void)
{
    Case it = {.fixture = fixture_new(&plain)};

    it.sandbox = create(it.fixture->bus);
    it.other = create(it.fixture->bus);
    fixture_end(it.fixture, SIGKILL);
    return it;
}

static void
finish(Case *it)
{
    fixture_start(it->fixture);
    g_variant_unref(run_shell(it->fixture->bus, it->other, "true"));
}

static void
case_clear(Case *it)
{
    assert_only(it->fixture, 1);
    fixture_free(it->fixture);
    g_free(it->sandbox);
    g_free(it->other);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

/* --- deadlines --- */

static void
set_deadline(Fixture *fixture, const char *sandbox, gint64 from_now_us)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, util_boottime_us() + from_now_us);

    fixture_edit_record(fixture, id_of(sandbox), "Deadline", text);
}

static gboolean
was_found(Fixture *fixture, const char *sandbox)
{
    g_autofree char *told = g_strdup_printf("Sandbox %s of uid 0 was found again", id_of(sandbox));

    return fixture_log_has(fixture, told);
}

static void
test_due_meanwhile(void)
{
    g_auto(Case) it = begin();

    set_deadline(it.fixture, it.sandbox, -1);
    finish(&it);
    assert_ended(it.fixture, it.sandbox, "timed-out");
    g_assert_false(was_found(it.fixture, it.sandbox));
    g_assert_true(was_found(it.fixture, it.other));
}

static void
test_due_soon(void)
{
    g_auto(Case) it = begin();
    g_autoptr(Listener) listener = NULL;
    gint64 due_us = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;

    set_deadline(it.fixture, it.sandbox, 2 * G_USEC_PER_SEC);
    finish(&it);
    listener = listener_new(it.fixture->bus);
    g_variant_unref(run_shell(it.fixture->bus, it.sandbox, "true"));
    g_variant_unref(listener_wait(listener, MANAGER, "SandboxRemoved"));
    g_assert_cmpint(g_get_monotonic_time(), >=, due_us);
    g_assert_cmpint(g_get_monotonic_time(), <, due_us + G_USEC_PER_SEC);
    assert_ended(it.fixture, it.sandbox, "timed-out");
}

/* --- machines --- */

static void
test_machine_that_died(void)
{
    g_auto(Case) it = begin();

    g_assert_cmpint(kill(fixture_find_machine(it.fixture, id_of(it.sandbox)), SIGKILL), ==, 0);
    finish(&it);
    assert_ended(it.fixture, it.sandbox, "machine-lost");
}

static void
test_guest_that_ended(void)
{
    g_auto(Case) it = begin();

    g_assert_cmpint(kill(fixture_find_agent(it.fixture, id_of(it.sandbox)), SIGKILL), ==, 0);
    finish(&it);
    assert_ended(it.fixture, it.sandbox, "machine-lost");
}

static void
test_machine_that_is_paused(void)
{
    g_auto(Case) it = begin();

    fixture_set_state(it.fixture, id_of(it.sandbox), "paused");
    finish(&it);
    assert_ended(it.fixture, it.sandbox, "machine-lost");
    g_assert_true(fixture_log_has(it.fixture, "does not run"));
}

static void
test_machine_without_record(void)
{
    g_auto(Case) it = begin();
    g_autofree char *record =
        g_build_filename(it.fixture->state, "sandboxes", id_of(it.sandbox), NULL);

    g_assert_cmpint(g_unlink(record), ==, 0);
    finish(&it);
    call_fails(it.fixture->bus, it.sandbox, "Kill", "NoSuchSandbox", "there is no sandbox", "()");
}

/* Agents report the sandbox to which they belong. */
static void
test_machines_that_were_swapped(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *a = create(fixture->bus), *b = create(fixture->bus);
    g_autofree char *path_a = g_build_filename(fixture->run, "machines", id_of(a), NULL);
    g_autofree char *path_b = g_build_filename(fixture->run, "machines", id_of(b), NULL);

    fixture_end(fixture, SIGKILL);
    g_assert_cmpint(renameat2(AT_FDCWD, path_a, AT_FDCWD, path_b, RENAME_EXCHANGE), ==, 0);
    fixture_start(fixture);
    assert_ended(fixture, a, "machine-lost");
    assert_ended(fixture, b, "machine-lost");
    g_assert_true(fixture_log_has(fixture, "its agent says that it is another's"));
    assert_only(fixture, 0);
}

/* --- claims --- */

/* The record exists, but the service was killed before it sent the claim. */
static void
test_claim_that_was_not_sent(void)
{
    const FixtureOptions options = {.target = 1, .has_log = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = NULL, *waiting = NULL, *path = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    sandbox = create(fixture->bus);
    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    fixture_wait_for_machines(fixture, 2); /* the template's own has gone */
    waiting = fixture_find_other(fixture, id_of(sandbox));
    fixture_end(fixture, SIGKILL);
    fixture_copy_record(fixture, id_of(sandbox), waiting);
    fixture_start(fixture);
    path = g_strdup_printf(MANAGER "/sandbox/%s", waiting);
    assert_ended(fixture, path, "machine-lost");
    g_assert_true(fixture_log_has(fixture, "its claim was not finished"));
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* A sent claim is complete, even if no caller got a reply: the owner finds the sandbox. */
static void
test_claim_under_way(void)
{
    const FixtureOptions options = {.target = 1};
    static const char words[] = "({'idempotency-key': <'k'>},)";
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autoptr(Pending) lost = NULL;
    g_autoptr(GVariant) answer = NULL;
    g_autofree char *id = NULL;
    const char *sandbox;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    fixture_wait_for_machines(fixture, 1); /* the template's own has gone */
    id = fixture_find_other(fixture, "");
    fixture_freeze(fixture, id, TRUE);
    lost = call_start(fixture->bus, MANAGER, "CreateSandbox", words);
    fixture_wait_for_records(fixture, 1);
    g_variant_unref(get_property(fixture->bus, MANAGER, "Version")); /* the claim is sent, too */
    fixture_end(fixture, SIGKILL);
    fixture_freeze(fixture, id, FALSE);
    fixture_start(fixture);
    pending_wait(lost);
    g_assert_error(lost->error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY);
    answer = call(fixture->bus, MANAGER, "CreateSandbox", words);
    g_variant_get(answer, "(&o)", &sandbox);
    g_assert_cmpstr(id_of(sandbox), ==, id);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* A start that was cut off has left a paused machine without an owner. */
static void
test_start_under_way(void)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autoptr(Pending) lost = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_hold(fixture);
    lost = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    fixture_wait_for_machines(fixture, 1);
    fixture_end(fixture, SIGKILL);
    fixture_set_control(fixture, "hold", NULL);
    fixture_start(fixture);
    assert_only(fixture, 0);
}

/* --- records --- */

static void
test_record_without_machine(void)
{
    g_auto(Case) it = begin();
    g_autofree char *path = g_strdup(it.other);

    memset(strrchr(path, '/') + 1, 'z', strlen(id_of(path)));
    fixture_copy_record(it.fixture, id_of(it.other), id_of(path));
    fixture_start(it.fixture);
    assert_ended(it.fixture, path, "machine-lost");
    kill_sandbox(it.fixture->bus, it.sandbox);
}

static void
test_record_of_another_boot(void)
{
    g_auto(Case) it = begin();

    fixture_edit_record(it.fixture, id_of(it.sandbox), "Boot",
                        "00000000-0000-0000-0000-000000000000");
    finish(&it);
    assert_ended(it.fixture, it.sandbox, "machine-lost");
    g_assert_true(fixture_log_has(it.fixture, "the host was rebooted"));
}

/* A record that is not valid is refused, and its machine has no owner, so it is ended. */
static void
assert_refused(Case *it, const char *message)
{
    finish(it);
    call_fails(it->fixture->bus, it->sandbox, "Kill", "NoSuchSandbox", "there is no sandbox", "()");
    g_assert_true(fixture_log_has(it->fixture, message));
}

static void
test_records_with_bad_values(void)
{
    static const char *const bad[][2] = {
        {"Owner", "4294967296"}, {"Deadline", "-1"},   {"Deadline", "soon"},
        {"Id", "zzzz"},          {"Metadata", "key;"}, {"MemoryMiB", ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Case) it = begin();
        g_autofree char *message = g_strdup_printf("%s: %s: ", id_of(it.sandbox), bad[i][0]);

        fixture_edit_record(it.fixture, id_of(it.sandbox), bad[i][0], bad[i][1]);
        assert_refused(&it, message);
    }
}

static void
test_record_that_was_cut_off(void)
{
    g_auto(Case) it = begin();
    g_autofree char *record =
        g_build_filename(it.fixture->state, "sandboxes", id_of(it.sandbox), NULL);
    GStatBuf status;

    g_assert_cmpint(g_stat(record, &status), ==, 0);
    g_assert_cmpint(truncate(record, status.st_size / 2), ==, 0);
    assert_refused(&it, id_of(it.sandbox));
}

/* Other files in the folder of the records. */
static void
test_things_that_are_no_records(void)
{
    g_auto(Case) it = begin();
    const char *state = it.fixture->state, *run = it.fixture->run;
    g_autofree char *records = g_build_filename(state, "sandboxes", NULL);
    g_autofree char *folder = g_build_filename(records, "aaaa", "b", NULL);
    g_autofree char *link = g_build_filename(records, "cccc", NULL);
    g_autofree char *binary = g_build_filename(records, "dddd", NULL);
    g_autofree char *fresh = g_build_filename(records, "eeee.new", NULL);
    g_autofree char *no_id = g_build_filename(records, "No-Id", NULL);
    g_autofree char *disk = g_build_filename(state, "machines", "ffff", "disk.qcow2", NULL);
    g_autofree char *template = g_build_filename(state, "templates", ".new-minimal-0", "b", NULL);
    g_autofree char *socket = g_build_filename(run, "machines", "gggg", "agent", NULL);
    g_autofree char *ram = g_build_filename(it.fixture->ram, "gone-0123", NULL);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(disk, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(template, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(socket, 0700), ==, 0);
    g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
    g_assert_true(g_file_set_contents(binary, "\0\xff[Sandbox]", 11, NULL));
    g_assert_true(g_file_set_contents(fresh, "[Sandbox]\n", -1, NULL));
    g_assert_true(g_file_set_contents(no_id, "", -1, NULL));
    g_assert_true(g_file_set_contents(ram, "", -1, NULL));
    fixture_start(it.fixture);
    kill_sandbox(it.fixture->bus, it.sandbox);
    while (!fixture_log_has(it.fixture, no_id)) /* the service sweeps while it answers */
        g_variant_unref(get_property(it.fixture->bus, MANAGER, "Version"));
    g_assert_cmpint(g_unlink(no_id), ==, 0); /* not a record, so it was not removed */
    assert_only(it.fixture, 1);
    g_assert_false(g_file_test(ram, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(template, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test("/etc/passwd", G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restart-cleanup/deadline/due-meanwhile", test_due_meanwhile);
    g_test_add_func("/restart-cleanup/deadline/due-soon", test_due_soon);
    g_test_add_func("/restart-cleanup/machine/died", test_machine_that_died);
    g_test_add_func("/restart-cleanup/machine/guest-ended", test_guest_that_ended);
    g_test_add_func("/restart-cleanup/machine/paused", test_machine_that_is_paused);
    g_test_add_func("/restart-cleanup/machine/no-record", test_machine_without_record);
    g_test_add_func("/restart-cleanup/machine/swapped", test_machines_that_were_swapped);
    g_test_add_func("/restart-cleanup/claim/not-sent", test_claim_that_was_not_sent);
    g_test_add_func("/restart-cleanup/claim/under-way", test_claim_under_way);
    g_test_add_func("/restart-cleanup/claim/start-under-way", test_start_under_way);
    g_test_add_func("/restart-cleanup/record/no-machine", test_record_without_machine);
    g_test_add_func("/restart-cleanup/record/another-boot", test_record_of_another_boot);
    g_test_add_func("/restart-cleanup/record/bad-values", test_records_with_bad_values);
    g_test_add_func("/restart-cleanup/record/cut-off", test_record_that_was_cut_off);
    g_test_add_func("/restart-cleanup/record/no-records", test_things_that_are_no_records);
    return g_test_run();
}
