/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-disk-share: on a disk that is almost full, the machines of the user who takes most stop, and
 * the service and the other users go on.
 *
 * The test writes to the overlays of machines in place of QEMU. The state folder is on a file
 * system of 200 MiB, so the reserve is 10 MiB.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client.h"
#include "disk-share.h"
#include "fake-record.h"
#include "fixture.h"

#define MIB (1024 * 1024)
#define DISK_MIB 200
#define WAIT_S 30

typedef struct {
    Fixture *fixture;
    GDBusConnection *other;
    char *large, *small; /* sandboxes of root and of the other user */
    Pending *call;       /* of root */
} Case;

static char *
disk_path(const Case *it, const char *sandbox)
{
    return g_build_filename(it->fixture->state, "machines", id_of(sandbox), "disk.qcow2", NULL);
}

static void
write_disk(const Case *it, const char *sandbox, guint64 bytes)
{
    g_autofree char *path = disk_path(it, sandbox), *block = g_malloc0(MIB);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    memset(block, 'x', MIB);
    for (guint64 written = 0; written < bytes; written += MIB)
        g_assert_cmpint(write(fd, block, MIN(MIB, bytes - written)), ==,
                        (gssize)MIN(MIB, bytes - written));
    close(fd);
}

static void
shrink_disk(const Case *it, const char *sandbox, guint64 bytes)
{
    g_autofree char *path = disk_path(it, sandbox);

    g_assert_cmpint(truncate(path, (off_t)bytes), ==, 0);
}

static void
empty_disk(const Case *it, const char *sandbox)
{
    shrink_disk(it, sandbox, 0);
}

static guint64
bytes_free(const Case *it)
{
    struct statvfs fs;

    g_assert_cmpint(statvfs(it->fixture->state, &fs), ==, 0);
    return (guint64)fs.f_bavail * fs.f_frsize;
}

static gboolean
is_stopped(const Case *it, const char *sandbox)
{
    g_autofree char *name = g_strconcat("cloche-", id_of(sandbox), NULL);
    g_autofree char *state = fake_record_read(it->fixture->control, name, FAKE_STATE);

    return g_strcmp0(state, "stalled") == 0;
}

/* This instance of the service has decided that the sandbox of root stops, and it has stopped. No
 * signal reports it. */
static void
wait_until_large_stops(const Case *it)
{
    gint64 end_us = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;

    while (!is_stopped(it, it->large) ||
           !fixture_log_has(it->fixture, "The sandboxes of uid 0 stop: their disks take")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(10000);
    }
}

static Case
begin(const char *percent)
{
    g_autofree char *config = g_strconcat("[UserLimits]\nDiskUsePercent=", percent, "\n", NULL);
    const FixtureOptions options = {.disk_mib = DISK_MIB, .config = config, .has_log = TRUE};
    Case it = {.fixture = fixture_new(&options)};

    it.fixture->options.config = NULL;
    it.other = fixture_connect(it.fixture, OTHER_UID);
    it.large = create(it.fixture->bus);
    it.small = create(it.other);
    return it;
}

/* The sandbox of root stands still, and all that belongs to the other user works. */
static void
assert_only_large_stops(Case *it)
{
    g_autofree char *output = NULL, *second = NULL;

    wait_until_large_stops(it);
    it->call = call_start(it->fixture->bus, it->large, "Run", "(['true'], @a{sv} {})");
    output = run_output(it->other, it->small, "echo works");
    g_assert_cmpstr(output, ==, "works\n");
    g_variant_unref(call(it->other, it->small, "SetTimeout", "(%t,)", (guint64)1000));
    second = create(it->other);
    kill_sandbox(it->other, second);
    g_assert_false(is_stopped(it, it->small));
    g_assert_false(it->call->done);
    g_assert_false(fixture_log_has(it->fixture, "The sandboxes of uid 65534 stop"));
}

static void
assert_large_goes_on(Case *it)
{
    pending_wait(it->call);
    g_assert_no_error(it->call->error);
    g_assert_false(is_stopped(it, it->large));
}

static void
case_clear(Case *it)
{
    pending_free(it->call);
    fixture_leave(it->other);
    g_free(it->large);
    g_free(it->small);
    fixture_free(it->fixture);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

static void
test_reserve(void)
{
    g_auto(Case) it = begin("100");
    const guint64 reserve = DISK_MIB / DISK_RESERVE_PART * MIB;

    write_disk(&it, it.small, 20 * MIB);
    write_disk(&it, it.large, bytes_free(&it) - reserve + MIB);
    assert_only_large_stops(&it);
    empty_disk(&it, it.large);
    assert_large_goes_on(&it);
}

static void
test_share(void)
{
    g_auto(Case) it = begin("25");

    write_disk(&it, it.small, 20 * MIB);
    write_disk(&it, it.large, 60 * MIB);
    assert_only_large_stops(&it);
    g_assert_cmpuint(bytes_free(&it), >, 50 * MIB);
    empty_disk(&it, it.large);
    assert_large_goes_on(&it);
}

/* The next instance of the service finds the machine as it was left, and decides anew. */
static void
test_restart(void)
{
    g_auto(Case) it = begin("25");

    write_disk(&it, it.large, 60 * MIB);
    wait_until_large_stops(&it);
    fixture_end(it.fixture, SIGKILL);
    fixture_leave(it.other);
    fixture_start(it.fixture);
    it.other = fixture_connect(it.fixture, OTHER_UID);
    assert_only_large_stops(&it);
    kill_sandbox(it.fixture->bus, it.large);
    pending_wait(it.call);
    assert_error(it.call->error, "GuestLost", "has ended: killed");
    fixture_wait_for_counts(it.fixture, 1);
}

static void
wait_for_log(const Case *it, const char *text)
{
    gint64 end_us = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;

    while (!fixture_log_has(it->fixture, text)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(10000);
    }
}

/* A sandbox runs only if neither its user has paused it nor its disk is too large. */
static void
test_paused(void)
{
    g_auto(Case) it = begin("25");
    GDBusConnection *bus = it.fixture->bus;

    write_disk(&it, it.large, 60 * MIB);
    wait_until_large_stops(&it);
    g_variant_unref(call(bus, it.large, "Pause", "()"));
    shrink_disk(&it, it.large, MIB); /* what a user with an empty disk may do is not logged */
    wait_for_log(&it, "The sandboxes of uid 0 may continue");
    g_assert_true(is_stopped(&it, it.large));
    call_fails(bus, it.large, "Run", "Paused", "is paused", "(['true'], @a{sv} {})");

    write_disk(&it, it.small, 20 * MIB);
    write_disk(&it, it.large, 100 * MIB);
    wait_for_log(&it, "The sandboxes of uid 0 stop: their disks take 10");
    g_variant_unref(call(bus, it.large, "Resume", NO_OPTIONS));
    g_assert_true(is_stopped(&it, it.large));
    it.call = call_start(bus, it.large, "Run", "(['true'], @a{sv} {})");
    empty_disk(&it, it.large);
    assert_large_goes_on(&it);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disk-share/reserve", test_reserve);
    g_test_add_func("/disk-share/share", test_share);
    g_test_add_func("/disk-share/restart", test_restart);
    g_test_add_func("/disk-share/paused", test_paused);
    return g_test_run();
}
