/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-capture: a running machine is captured, and another machine goes on from the same moment.
 *
 * A process in the guest counts in its memory, and appends each number to a file. So a file in
 * which a number is missing or occurs twice shows that memory and disk are not of one moment.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "compose.h"
#include "digest.h"
#include "error.h"
#include "vm-guest.h"

#define PARENT "cloche-test-parent"
#define CHILD "cloche-test-child"

#define COUNT "i=0; while :; do i=$((i+1)); echo $i >> /count; done"
#define FILL "head -c 16777216 /dev/urandom > /dev/shm/blob"
#define SUM "md5sum < /dev/shm/blob"
/* Reads what is on the disk: first the writes that wait are written, then the cache is dropped. */
#define CHECK                                                                                      \
    "sync; echo 3 > /proc/sys/vm/drop_caches; head -n -1 /count | awk '$1 != NR { bad = 1 } "      \
    "END { print bad ? \"bad\" : \"good\" }'"

/* --- steps --- */

static gboolean
capture(Guest *guest, const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    gboolean captured;

    g_assert_cmpint(fd, >=, 0);
    machine_capture_async(guest->machine, fd, on_done, &call);
    wait_for(&call.done, "a capture");
    captured = machine_capture_finish(guest->machine, call.result, error);
    g_object_unref(call.result);
    close(fd);
    told(captured ? "capture" : "no capture", begin);
    return captured;
}

static gboolean
release(Guest *guest, GError **error)
{
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    gboolean released;

    machine_release_async(guest->machine, on_done, &call);
    wait_for(&call.done, "a release");
    released = machine_release_finish(guest->machine, call.result, error);
    g_object_unref(call.result);
    told("release", begin);
    return released;
}

static void
must_capture(Guest *guest)
{
    g_autofree char *path = path_of("capture");
    GError *error = NULL;

    capture(guest, path, &error);
    g_assert_no_error(error);
}

/* The end of the last capture may still be under way, or libvirt has not reported that the machine
 * runs again. */
static void
capture_when_free(Guest *guest)
{
    g_autofree char *path = path_of("capture");
    g_autoptr(GError) error = NULL;

    while (!capture(guest, path, &error)) {
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
        g_clear_error(&error);
    }
}

static void
must_release(Guest *guest)
{
    GError *error = NULL;

    release(guest, &error);
    g_assert_no_error(error);
}

void
guest_refuse_capture(Guest *guest, ClocheError code)
{
    g_autofree char *path = path_of("refused");
    GError *error = NULL;

    g_assert_false(capture(guest, path, &error));
    g_test_message("as it should be: %s", error->message);
    g_assert_error(error, CLOCHE_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, guest->name));
    g_clear_error(&error);
}

/* While cloche-vm is being connected again, it is busy. */
static void
must_not_release(Guest *guest, ClocheError code)
{
    GError *error = NULL;

    g_assert_false(release(guest, &error));
    while (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY)) {
        g_clear_error(&error);
        g_assert_false(release(guest, &error));
    }
    g_test_message("as it should be: %s", error->message);
    g_assert_error(error, CLOCHE_ERROR, (int)code);
    g_clear_error(&error);
}

static void
copy_disk(const char *name, const char *to)
{
    g_autofree char *folder = guest_folder(name);
    g_autofree char *from = g_build_filename(folder, "disk.qcow2", NULL);
    const char *const argv[] = {"cp", "--sparse=always", from, to, NULL};

    g_free(program(argv));
    g_assert_cmpint(chown(to, (uid_t)-1, run.gid), ==, 0);
    g_assert_cmpint(g_chmod(to, 0640), ==, 0);
}

static void
compose(const char *to)
{
    static const char *const inputs[] = {"state-file", "ram/test", "capture"};
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), in[3];
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++) {
        g_autofree char *path = path_of("%s", inputs[i]);

        in[i] = open(path, O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(in[i], >=, 0);
    }
    compose_state(in[0], in[1], in[2], out, &error);
    g_assert_no_error(error);
    told("composition", begin);
    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
        close(in[i]);
    close(out);
}

static guint64
count(Guest *guest)
{
    g_autofree char *number = guest_output(guest, "wc -l < /count");

    return g_ascii_strtoull(number, /* endptr= */ NULL, 10);
}

/* Waits until the count is beyond `number`. */
static guint64
await_count(Guest *guest, guint64 number)
{
    guint64 found;

    while ((found = count(guest)) <= number)
        ;
    return found;
}

static void
check_count(Guest *guest)
{
    g_autofree char *verdict = guest_output(guest, CHECK);

    g_assert_cmpstr(verdict, ==, "good");
}

/* --- a child --- */

static void
capture_with_disk(Guest *guest, const char *disk)
{
    must_capture(guest);
    copy_disk(guest->name, disk);
    must_release(guest);
}

static void
start_child(Guest *child, const char *name, guint nth, const char *disk)
{
    g_autofree char *state = path_of("child-state");

    compose(state);
    guest_init(child, name, nth);
    guest_make_disk(child, disk, "qcow2");
    guest_start_on_disk(child, state);
    guest_greet(child);
}

static void
check_child(Guest *child, const char *sum, guint64 least)
{
    g_autofree char *found = guest_output(child, SUM);

    g_assert_cmpstr(found, ==, sum);
    await_count(child, await_count(child, least));
    check_count(child);
}

/* Files and memory of a child of a child are those of its parent, too. */
static void
test_children(void)
{
    g_autofree char *disk = path_of("child.qcow2"), *disk_2 = path_of("grandchild.qcow2");
    g_autofree char *ram = path_of("ram/test"), *sum = NULL;
    g_auto(FileDigest) before = {0}, after = {0};
    Guest parent, child, grandchild;
    guint64 counted;
    GError *error = NULL;

    g_assert_true(file_digest(ram, &before, &error));
    guest_restore(&parent, PARENT, 0);
    guest_keep(&parent, "count", COUNT);
    g_free(guest_output(&parent, FILL));
    sum = guest_output(&parent, SUM);
    counted = await_count(&parent, 100);
    capture_with_disk(&parent, disk);
    await_count(&parent, await_count(&parent, counted));
    check_count(&parent);

    start_child(&child, CHILD, 1, disk);
    check_child(&child, sum, counted);
    counted = await_count(&child, counted);
    capture_with_disk(&child, disk_2);
    guest_destroy(&parent);
    start_child(&grandchild, "cloche-test-grandchild", 2, disk_2);
    check_child(&grandchild, sum, counted);
    check_child(&child, sum, counted);
    g_assert_true(file_digest(ram, &after, &error));
    g_assert_true(file_digest_check(ram, &after, &before, &error));
    g_assert_cmpuint(parent.stalls + child.stalls + grandchild.stalls, ==, 0);
    guest_destroy(&child);
    guest_destroy(&grandchild);
}

/* A child of each of these moments is right. */
static void
test_many(void)
{
    g_autofree char *disk = path_of("many.qcow2");
    Guest parent;
    guint64 counted;

    guest_restore(&parent, PARENT, 0);
    guest_keep(&parent, "count", COUNT);
    counted = await_count(&parent, 10);
    for (guint i = 0; i < 5; i++) {
        Guest child;

        capture_with_disk(&parent, disk);
        start_child(&child, CHILD, 1, disk);
        await_count(&child, counted);
        check_count(&child);
        guest_destroy(&child);
        counted = await_count(&parent, counted);
    }
    check_count(&parent);
    g_assert_cmpuint(parent.stalls, ==, 0);
    guest_destroy(&parent);
}

static guint64
ram_blocks(void)
{
    g_autofree char *ram = path_of("ram/test");
    struct stat st;

    g_assert_cmpint(stat(ram, &st), ==, 0);
    return (guint64)st.st_blocks;
}

/* A read of a hole through a mapping would allocate a page of the template's file. */
static void
test_holes(void)
{
    g_autofree char *state = path_of("child-state");
    Guest guest;
    guint64 blocks;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    blocks = ram_blocks();
    compose(state);
    g_assert_cmpuint(ram_blocks(), ==, blocks);
    g_assert_cmpuint(blocks * 512, <, (guint64)GUEST_MEMORY_MIB << 20);
    must_release(&guest);
    guest_destroy(&guest);
}

/* --- refusals and ends --- */

static void
test_busy(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_not_release(&guest, CLOCHE_ERROR_TIMED_OUT);
    must_capture(&guest);
    guest_refuse_capture(&guest, CLOCHE_ERROR_BUSY);
    must_release(&guest);
    must_not_release(&guest, CLOCHE_ERROR_TIMED_OUT);
    guest_ping(&guest);
    g_assert_cmpuint(guest.stalls, ==, 0);

    machine_hold(guest.machine, TRUE);
    wait_for(&guest.is_stalled, "a machine that is held");
    guest_refuse_capture(&guest, CLOCHE_ERROR_BUSY);
    machine_hold(guest.machine, FALSE);
    wait_for(&guest.goes_on, "a machine that goes on");
    must_capture(&guest);
    must_release(&guest);
    guest_ping(&guest);
    guest_destroy(&guest);
}

/* A machine that is held while it is captured stands still after its release. */
static void
test_held(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    machine_hold(guest.machine, TRUE);
    must_release(&guest);
    wait_for(&guest.is_stalled, "a machine that is held");
    machine_hold(guest.machine, FALSE);
    wait_for(&guest.goes_on, "a machine that goes on");
    guest_ping(&guest);
    guest_destroy(&guest);
}

/* The processors stand still until the release, and no longer than ten seconds. */
static void
test_not_released(void)
{
    Guest guest;
    gint64 begin = g_get_monotonic_time(), passed_ms;

    guest_restore(&guest, PARENT, 0);
    begin = g_get_monotonic_time();
    must_capture(&guest);
    guest_ping(&guest);
    passed_ms = (g_get_monotonic_time() - begin) / 1000;
    g_assert_cmpint(passed_ms, >=, MACHINE_CAPTURE_TIMEOUT_S * 1000);
    g_assert_cmpint(passed_ms, <, MACHINE_CAPTURE_TIMEOUT_S * 1000 + 5000);
    must_not_release(&guest, CLOCHE_ERROR_TIMED_OUT);
    capture_when_free(&guest);
    must_release(&guest);
    g_assert_cmpuint(guest.stalls, ==, 0);
    guest_destroy(&guest);
}

static void
test_destroyed(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    guest_destroy(&guest);
}

static void
test_killed(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    guest_kill(&guest);
    guest_await_end(&guest, MACHINE_DIED);
    must_not_release(&guest, CLOCHE_ERROR_GUEST_LOST);
    guest_refuse_capture(&guest, CLOCHE_ERROR_GUEST_LOST);
    guest_destroy(&guest);
}

/* Its owner has left it, and it runs again at once. */
static void
test_left(void)
{
    Guest guest;
    gint64 begin;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    begin = g_get_monotonic_time();
    machine_leave(
        g_steal_pointer(&guest.machine)); /* the next one may be reported while it is adopted */
    g_assert_true(guest_adopt(&guest));
    guest_greet(&guest);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 5 * G_USEC_PER_SEC);
    capture_when_free(&guest);
    must_release(&guest);
    guest_destroy(&guest);
}

/* The next instance of cloche-vm resumes it, as one that was held. */
static void
test_service_killed(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    g_assert_cmpint(kill(service_pid(), SIGKILL), ==, 0);
    wait_for(&guest.goes_on, "a machine that goes on");
    guest_ping(&guest);
    must_not_release(&guest, CLOCHE_ERROR_TIMED_OUT);
    capture_when_free(&guest);
    must_release(&guest);
    guest_ping(&guest);
    guest_destroy(&guest);
}

/* libvirtd finds it stopped, and knows why. */
static void
test_libvirtd_restarted(void)
{
    Guest guest;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    libvirtd("stop");
    libvirtd("start");
    must_release(&guest);
    guest_ping(&guest);
    guest_destroy(&guest);
}

/* It cannot be resumed, counts as stalled, and is resumed when libvirtd is back. */
static void
test_libvirtd_away(void)
{
    Guest guest;
    g_autoptr(GError) error = NULL;

    guest_restore(&guest, PARENT, 0);
    must_capture(&guest);
    libvirtd("stop");
    g_assert_false(release(&guest, &error));
    g_test_message("as it should be: %s", error->message);
    wait_for(&guest.is_stalled, "a machine that stands still");
    libvirtd("start");
    wait_for(&guest.goes_on, "a machine that goes on");
    guest_ping(&guest);
    must_capture(&guest);
    must_release(&guest);
    guest_destroy(&guest);
}

void
add_tests_of_captures(void)
{
    g_test_add_func("/vm/capture/children", test_children);
    g_test_add_func("/vm/capture/many", test_many);
    g_test_add_func("/vm/capture/holes", test_holes);
    g_test_add_func("/vm/capture/busy", test_busy);
    g_test_add_func("/vm/capture/held", test_held);
    g_test_add_func("/vm/capture/not-released", test_not_released);
    g_test_add_func("/vm/capture/destroyed", test_destroyed);
    g_test_add_func("/vm/capture/killed", test_killed);
    g_test_add_func("/vm/capture/left", test_left);
    g_test_add_func("/vm/capture/service-killed", test_service_killed);
    if (!run.is_system)
        return;
    g_test_add_func("/vm/capture/libvirtd-restarted", test_libvirtd_restarted);
    g_test_add_func("/vm/capture/libvirtd-away", test_libvirtd_away);
}
