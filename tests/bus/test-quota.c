/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-quota: a user is charged for a sandbox and its processes from their creation to their end.
 * After every kind of end, nothing is charged any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

#define OTHER_USER 1 /* the bus accepts only users that exist on this machine */
#define NOTHING "0 sandboxes, 0 MiB, 0 vcpus, 0 MiB of disk, 0 processes, 0 creates"
#define ONE "1 sandboxes, 64 MiB, 1 vcpus, 1 MiB of disk, 0 processes, 0 creates"
#define TWO "2 sandboxes, 128 MiB, 2 vcpus, 2 MiB of disk, 0 processes, 0 creates"

typedef struct {
    Fixture *fixture;
    GDBusConnection *root, *user, *other;
} Setting;

static Setting
begin_with(const FixtureOptions *options)
{
    Setting s = {.fixture = fixture_new(options)};

    s.root = s.fixture->bus;
    s.user = fixture_connect(s.fixture, OTHER_UID);
    s.other = fixture_connect(s.fixture, OTHER_USER);
    g_variant_unref(wait_for_template(s.root, options->has_python ? "python" : "minimal"));
    return s;
}

static Setting
begin(const char *config)
{
    const FixtureOptions options = {.config = config};

    return begin_with(&options);
}

/* The template has an interpreter. */
static Setting
begin_python(const char *config)
{
    const FixtureOptions options = {
        .config = config, .has_python = TRUE, .python_runners = "", .default_template = "python"};

    return begin_with(&options);
}

static void
setting_clear(Setting *s)
{
    fixture_leave(s->user);
    fixture_leave(s->other);
    fixture_free(s->fixture);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setting, setting_clear)

/* --- use of the limits --- */

static guint64
used_of(GVariant *amounts, const char *name)
{
    guint64 used, limit;

    g_assert_true(g_variant_lookup(amounts, name, "(tt)", &used, &limit));
    return used;
}

/* `child`: 0 for the caller's use, 1 for that of all users. */
static char *
used(GDBusConnection *bus, gsize child)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) amounts = g_variant_get_child_value(answer, child);

    return g_strdup_printf(
        "%" G_GUINT64_FORMAT " sandboxes, %" G_GUINT64_FORMAT " MiB, %" G_GUINT64_FORMAT
        " vcpus, %" G_GUINT64_FORMAT " MiB of disk, %" G_GUINT64_FORMAT
        " processes, %" G_GUINT64_FORMAT " creates",
        used_of(amounts, "sandboxes"), used_of(amounts, "memory-mib"), used_of(amounts, "vcpus"),
        used_of(amounts, "disk-mib"), used_of(amounts, "processes"), used_of(amounts, "creates"));
}

/* Checks the use of the user, and of all users. */
static void
assert_used(const Setting *s, const char *own, const char *all)
{
    g_autofree char *of_user = used(s->user, 0), *of_all = used(s->root, 1);

    g_assert_cmpstr(of_user, ==, own);
    g_assert_cmpstr(of_all, ==, all);
}

/* For uses that end without a reply. */
static void
wait_for_used(const Setting *s, const char *own)
{
    gint64 end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    g_autofree char *found = used(s->user, 0);

    while (!g_str_equal(found, own)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_free(found);
        found = used(s->user, 0);
    }
}

/* --- sandboxes --- */

static void
test_life(void)
{
    g_auto(Setting) s = begin("[UserLimits]\nSandboxes=7\nCreates=infinity\n");
    g_autoptr(GVariant) answer = call(s.user, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) all = g_variant_get_child_value(answer, 1);
    g_autofree char *first = NULL, *second = NULL, *of_other = NULL;
    guint64 amount, limit;

    g_assert_cmpuint(g_variant_n_children(own), ==, 11);
    g_assert_cmpuint(g_variant_n_children(all), ==, 0); /* the use of all users is not shown */
    g_assert_true(g_variant_lookup(own, "sandboxes", "(tt)", &amount, &limit));
    g_assert_cmpuint(limit, ==, 7);
    g_assert_true(g_variant_lookup(own, "creates", "(tt)", &amount, &limit));
    g_assert_cmpuint(limit, ==, G_MAXUINT64);

    assert_used(&s, NOTHING, NOTHING);
    first = create(s.user);
    assert_used(&s, ONE, ONE);
    of_other = create(s.other);
    assert_used(&s, ONE, TWO);
    kill_sandbox(s.other, of_other);
    second = create(s.user);
    assert_used(&s, TWO, TWO);
    kill_sandbox(s.user, first);
    assert_used(&s, ONE, ONE);
    kill_sandbox(s.user, second);
    assert_used(&s, NOTHING, NOTHING);
}

static void
test_each_and_all(void)
{
    g_auto(Setting) s = begin("[Limits]\nSandboxes=3\n[UserLimits]\nSandboxes=2\n");
    g_autofree char *first = create(s.user), *second = create(s.user), *third = NULL;

    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "The limit sandboxes of user 65534 is reached: 2 of 2 are in use, and this needs 1 "
               "more; end a sandbox, or ask an administrator to raise Sandboxes in [UserLimits]",
               NO_OPTIONS);
    third = create(s.other);
    call_fails(s.other, MANAGER, "CreateSandbox", "QuotaExceeded",
               "The limit sandboxes of all users is reached: 3 of 3 are in use", NO_OPTIONS);
    kill_sandbox(s.user, first);
    g_free(first);
    first = create(s.other);
    kill_sandbox(s.user, second);
}

/* Each limit refuses a creation. */
static void
test_each_resource(void)
{
    static const char *const limits[][2] = {
        {"MemoryMiB=127", "limit memory-mib of user 65534 is reached: 64 of 127 MiB are in use"},
        {"VCpus=1", "limit vcpus of user 65534 is reached: 1 of 1 are in use"},
        {"DiskMiB=1", "limit disk-mib of user 65534 is reached: 1 of 1 MiB are in use"},
    };

    g_auto(Setting) s = begin("");
    g_autofree char *sandbox = create(s.user);

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autofree char *config = g_strdup_printf("[UserLimits]\n%s\n", limits[i][0]);

        fixture_configure(s.fixture, config);
        fixture_reload(s.fixture);
        call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded", limits[i][1], NO_OPTIONS);
        assert_used(&s, ONE, ONE);
    }
}

static void
test_creates(void)
{
    static const char *const creating =
        "2 sandboxes, 128 MiB, 2 vcpus, 2 MiB of disk, 0 processes, 2 creates";
    g_auto(Setting) s = begin("[UserLimits]\nCreates=2\n");
    g_autoptr(Pending) first = NULL, second = NULL;

    fixture_hold(s.fixture);
    first = call_start(s.user, MANAGER, "CreateSandbox", NO_OPTIONS);
    second = call_start(s.user, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_used(&s, creating); /* polkit was asked about each call */
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit creates of user 65534 is reached: 2 of 2", NO_OPTIONS);
    assert_used(&s, creating, creating);
    fixture_release(s.fixture);
    pending_wait(first);
    pending_wait(second);
    g_assert_no_error(first->error);
    g_assert_no_error(second->error);
    assert_used(&s, TWO, TWO);
}

/* Calls with the same key create one sandbox, which is charged once. */
static void
test_shared(void)
{
    static const char *const words = "({'idempotency-key': <'k'>},)";
    static const char *const creating =
        "1 sandboxes, 64 MiB, 1 vcpus, 1 MiB of disk, 0 processes, 1 creates";
    g_auto(Setting) s = begin("[UserLimits]\nSandboxes=1\nCreates=1\n");
    g_autoptr(Pending) first = NULL, second = NULL;
    g_autoptr(GVariant) third = NULL;

    fixture_hold(s.fixture);
    first = call_start(s.user, MANAGER, "CreateSandbox", words);
    second = call_start(s.user, MANAGER, "CreateSandbox", words);
    wait_for_used(&s, creating);
    fixture_release(s.fixture);
    pending_wait(first);
    pending_wait(second);
    third = call(s.user, MANAGER, "CreateSandbox", words);
    g_assert_cmpvariant(first->answer, second->answer);
    g_assert_cmpvariant(first->answer, third);
    assert_used(&s, ONE, ONE);
}

static void
test_failed(void)
{
    g_auto(Setting) s = begin("[UserLimits]\nSandboxes=1\n");
    g_autofree char *sandbox = NULL;

    fixture_set_control(s.fixture, "fail", "3");
    call_fails(s.user, MANAGER, "CreateSandbox", "Failed", "The test wants this start to fail",
               NO_OPTIONS);
    assert_used(&s, NOTHING, NOTHING);
    call_fails(s.user, MANAGER, "CreateSandbox", "NoSuchTemplate", "'none'",
               "({'template': <'none'>},)");
    call_fails(s.user, MANAGER, "CreateSandbox", "InvalidArgument", "timeout",
               "({'timeout': <uint64 0>},)");
    assert_used(&s, NOTHING, NOTHING);
    sandbox = create(s.user);
}

/* First no machine can be claimed, then the agent of a sandbox is lost. */
static void
test_lost(void)
{
    g_auto(Setting) s = begin("[UserLimits]\nSandboxes=1\n");
    g_autofree char *agent = g_build_filename(s.fixture->control, "refuses-claim", NULL);
    g_autofree char *sandbox = NULL;

    g_assert_cmpint(symlink(g_getenv("HOSTILE_AGENT"), agent), ==, 0);
    fixture_set_control(s.fixture, "agent", agent);
    call_fails(s.user, MANAGER, "CreateSandbox", "GuestLost", "", NO_OPTIONS);
    assert_used(&s, NOTHING, NOTHING);
    fixture_set_control(s.fixture, "agent", NULL);
    sandbox = create(s.user);
    assert_used(&s, ONE, ONE);
    g_assert_cmpint(kill(fixture_find_agent(s.fixture, id_of(sandbox)), SIGKILL), ==, 0);
    wait_for_used(&s, NOTHING);
}

static void
test_caller_left(void)
{
    g_auto(Setting) s = begin("");
    GDBusConnection *caller = fixture_connect(s.fixture, OTHER_UID);
    g_autoptr(Pending) pending = NULL;

    fixture_hold(s.fixture);
    pending = call_start(caller, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_pool(s.root, "minimal", "waiting", 1);
    fixture_leave(caller);
    pending_wait(pending);
    wait_for_used(&s, NOTHING);
    fixture_release(s.fixture);
    wait_for_pool(s.root, "minimal", "starting", 0);
    assert_used(&s, NOTHING, NOTHING);
}

/* --- processes --- */

/* A program that runs until open_gate(). */
static Pending *
run_behind(GDBusConnection *bus, const char *sandbox, const char *gate)
{
    g_autofree char *words = g_strdup_printf("exec cat %s", gate);

    return call_start(bus, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);
}

static void
open_gate(const char *gate)
{
    close(open(gate, O_WRONLY | O_CLOEXEC)); /* waits for it to be read */
}

static void
test_processes(void)
{
    static const char *const running =
        "1 sandboxes, 64 MiB, 1 vcpus, 1 MiB of disk, 2 processes, 0 creates";
    static const char *const refused = "limit processes of user 65534 is reached: 2 of 2";
    g_auto(Setting) s = begin_python("[UserLimits]\nProcesses=2\n");
    g_autofree char *sandbox = create(s.user);
    g_autofree char *gate = fixture_add_fifo(s.fixture, "gate");
    g_autofree char *next_gate = fixture_add_fifo(s.fixture, "next-gate");
    g_autoptr(Pending) first = run_behind(s.user, sandbox, gate);
    /* Root starts a process in the user's sandbox: it is charged to the user. */
    g_autoptr(Pending) second = run_behind(s.root, sandbox, next_gate);
    g_autofree char *of_root = NULL;

    wait_for_used(&s, running);
    call_fails(s.user, sandbox, "Run", "QuotaExceeded", refused, "(['true'], @a{sv} {})");
    call_fails(s.user, sandbox, "RunCode", "QuotaExceeded", refused, "('1', @a{sv} {})");
    call_fails(s.user, MANAGER, "RunCode", "QuotaExceeded", refused, "('python', '1', @a{sv} {})");
    assert_used(&s, running, running);
    of_root = used(s.root, 0);
    g_assert_cmpstr(of_root, ==, NOTHING);
    open_gate(gate);
    open_gate(next_gate);
    pending_wait(first);
    pending_wait(second);
    assert_used(&s, ONE, ONE);
    g_variant_unref(run_shell(s.user, sandbox, "true"));
    g_variant_unref(call(s.user, sandbox, "RunCode", "('1', @a{sv} {})"));
    call_fails(s.user, sandbox, "Run", "NoSuchProgram", "", "(['no-such-program'], @a{sv} {})");
    assert_used(&s, ONE, ONE);
}

/* Running processes end with their sandbox. */
static void
test_processes_of_killed(void)
{
    g_auto(Setting) s = begin("");
    g_autofree char *sandbox = create(s.user);
    g_autofree char *gate = fixture_add_fifo(s.fixture, "gate");
    g_autoptr(Pending) pending = run_behind(s.user, sandbox, gate);

    kill_sandbox(s.user, sandbox);
    pending_wait(pending);
    g_assert_nonnull(pending->error);
    assert_used(&s, NOTHING, NOTHING);
}

static void
test_one_shot(void)
{
    g_auto(Setting) s = begin_python("[UserLimits]\nSandboxes=1\nProcesses=1\nCreates=1\n");
    g_autofree char *sandbox = NULL;

    for (guint i = 0; i < 3; i++) {
        g_variant_unref(call(s.user, MANAGER, "RunCode", "('python', '1', @a{sv} {})"));
        assert_used(&s, NOTHING, NOTHING);
    }
    call_fails(s.user, MANAGER, "RunCode", "Unsupported", "cobol", "('cobol', '1', @a{sv} {})");
    assert_used(&s, NOTHING, NOTHING);
    sandbox = create(s.user);
    call_fails(s.user, MANAGER, "RunCode", "QuotaExceeded", "limit sandboxes of user 65534",
               "('python', '1', @a{sv} {})");
    assert_used(&s, ONE, ONE);
}

/* --- restarts and changed limits --- */

/* Adopted sandboxes are charged even beyond a new limit, and no sandbox can be added. */
static void
test_adopted(void)
{
    g_auto(Setting) s = begin("");
    g_autofree char *first = create(s.user), *second = create(s.user);

    fixture_configure(s.fixture, "[UserLimits]\nSandboxes=1\n");
    fixture_restart(s.fixture, SIGKILL);
    assert_used(&s, TWO, TWO);
    g_variant_unref(run_shell(s.user, first, "true"));
    g_variant_unref(wait_for_template(s.root, "minimal"));
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 65534 is reached: 2 of 1", NO_OPTIONS);
    kill_sandbox(s.user, first);
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 65534 is reached: 1 of 1", NO_OPTIONS);
    kill_sandbox(s.user, second);
    g_free(first);
    first = create(s.user);
    assert_used(&s, ONE, ONE);
}

static void
test_reload(void)
{
    g_auto(Setting) s = begin("[UserLimits]\nSandboxes=2\n");
    g_autofree char *first = create(s.user), *second = create(s.user), *third = NULL;

    fixture_configure(s.fixture, "[UserLimits]\nSandboxes=1\n[Limits]\nLifetimeSec=1000\n");
    fixture_reload(s.fixture);
    assert_used(&s, TWO, TWO);
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 65534 is reached: 2 of 1", NO_OPTIONS);
    call_fails(s.user, first, "SetTimeout", "QuotaExceeded", "limit lifetime is 1000 seconds",
               "(uint64 1001,)");

    fixture_configure(s.fixture, "[UserLimits]\nSandboxes=3\n");
    fixture_reload(s.fixture);
    third = create(s.user);
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 65534 is reached: 3 of 3", NO_OPTIONS);

    /* An invalid file changes nothing. */
    fixture_configure(s.fixture, "[UserLimits]\nSandboxes=9\nProcesses=none\n");
    fixture_reload(s.fixture);
    call_fails(s.user, MANAGER, "CreateSandbox", "QuotaExceeded",
               "limit sandboxes of user 65534 is reached: 3 of 3", NO_OPTIONS);
}

/* The longest possible timeout, if the lifetime has no limit. */
static void
test_no_lifetime(void)
{
    g_auto(Setting) s = begin_python("[Limits]\nLifetimeSec=infinity\n");
    g_autoptr(GVariant) answer =
        call(s.user, MANAGER, "CreateSandbox", "({'timeout': <uint64 315360000>},)");
    g_autoptr(GVariant) expires = NULL;
    const char *sandbox;

    g_variant_get(answer, "(&o)", &sandbox);
    g_variant_unref(call(s.user, sandbox, "SetTimeout", "(uint64 315360000,)"));
    call_fails(s.user, sandbox, "SetTimeout", "InvalidArgument", "not 18446744073709551615",
               "(uint64 18446744073709551615,)");
    expires = get_property(s.user, sandbox, "Expires");
    g_assert_cmpuint(g_variant_get_uint64(expires) / G_USEC_PER_SEC, >,
                     (guint64)g_get_real_time() / G_USEC_PER_SEC + 315360000 - 60);
    g_variant_unref(
        call(s.user, MANAGER, "RunCode", "('python', '1', {'timeout': <uint64 315360000>})"));
}

/* --- a full disk --- */

static void
fill(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {1};

    while (write(fd, block, sizeof(block)) > 0)
        ;
    g_assert_cmpint(errno, ==, ENOSPC);
    close(fd);
}

/* The record cannot be written: the sandbox is not announced, and nothing of it is left. */
static void
test_full_disk(void)
{
    g_auto(Setting) s = begin("");
    g_autofree char *records = g_build_filename(s.fixture->state, "sandboxes", NULL);
    g_autofree char *filling = g_build_filename(records, "filling", NULL), *sandbox = NULL;

    g_assert_cmpint(mount("tmpfs", records, "tmpfs", 0, "size=64k"), ==, 0);
    sandbox = create(s.user);
    fill(filling);
    call_fails(s.user, MANAGER, "CreateSandbox", "Failed", "No space left on device", NO_OPTIONS);
    call_fails(s.user, MANAGER, "CreateSandbox", "Failed", records, NO_OPTIONS);
    assert_used(&s, ONE, ONE);
    g_assert_cmpuint(fixture_count_files(s.fixture, s.fixture->state, "sandboxes"), ==, 2);
    call_fails(s.user, sandbox, "SetTimeout", "Failed", "No space left on device", "(uint64 60,)");
    g_variant_unref(run_shell(s.user, sandbox, "true"));

    g_assert_cmpint(unlink(filling), ==, 0);
    g_variant_unref(call(s.user, sandbox, "SetTimeout", "(uint64 60,)"));
    kill_sandbox(s.user, sandbox);
    g_free(sandbox);
    sandbox = create(s.user);
    kill_sandbox(s.user, sandbox);
    g_assert_cmpint(umount2(records, MNT_DETACH), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(unshare(CLONE_NEWNS), ==, 0); /* to mount a file system that is full */
    g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_test_add_func("/quota/life", test_life);
    g_test_add_func("/quota/each-and-all", test_each_and_all);
    g_test_add_func("/quota/each-resource", test_each_resource);
    g_test_add_func("/quota/creates", test_creates);
    g_test_add_func("/quota/shared", test_shared);
    g_test_add_func("/quota/failed", test_failed);
    g_test_add_func("/quota/lost", test_lost);
    g_test_add_func("/quota/caller-left", test_caller_left);
    g_test_add_func("/quota/processes", test_processes);
    g_test_add_func("/quota/processes-of-killed", test_processes_of_killed);
    g_test_add_func("/quota/one-shot", test_one_shot);
    g_test_add_func("/quota/adopted", test_adopted);
    g_test_add_func("/quota/reload", test_reload);
    g_test_add_func("/quota/no-lifetime", test_no_lifetime);
    g_test_add_func("/quota/full-disk", test_full_disk);
    return g_test_run();
}
