/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-survival: machines that outlive who started them, and those that stand still for want of disk.
 *
 * Who starts them is this program run anew, which is killed: libvirt's embedded driver can be in
 * one process only.
 */
#include <libvirt/libvirt.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "vm-guest.h"
#include "vm-reaper.h"

#define LEFT "cloche-test-left"       /* runs */
#define HALF "cloche-test-half"       /* was never resumed */
#define STALLED "cloche-test-stalled" /* waits for room on its disk */
#define STRAY "cloche-test-stray"     /* runs, and nobody wants it */
#define OTHER "unlike-cloche-test"    /* begins otherwise */

#define SMALL_BYTES ((off_t)96 << 20) /* the file system of a disk that gets full */
#define SMALL_LEFT ((off_t)8 << 20)   /* what the ballast leaves of it */

/* --- a disk that is full --- */

static void
make_small(void)
{
    g_autofree char *small = path_of("small"), *options = NULL;

    options = g_strdup_printf("size=%ld,mode=711", (long)SMALL_BYTES);
    g_assert_cmpint(g_mkdir(small, 0711), ==, 0);
    g_assert_cmpint(mount("cloche-test", small, "tmpfs", MS_NOSUID, options), ==, 0);
}

static void
remove_small(void)
{
    g_autofree char *small = path_of("small");

    g_assert_cmpint(umount2(small, MNT_DETACH), ==, 0);
    g_assert_cmpint(g_rmdir(small), ==, 0);
}

static void
put_ballast(void)
{
    g_autofree char *ballast = path_of("small/ballast");
    int fd = open(ballast, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(posix_fallocate(fd, 0, SMALL_BYTES - SMALL_LEFT), ==, 0);
    close(fd);
}

static void
drop_ballast(void)
{
    g_autofree char *ballast = path_of("small/ballast");

    g_assert_cmpint(g_unlink(ballast), ==, 0);
}

/* Writes more than is left. Room for it is made when the ballast goes. */
static void
fill_disk(Guest *guest)
{
    guest_run(guest, "dd if=/dev/urandom of=/fill bs=1M count=16 conv=fsync");
    wait_for(&guest->is_stalled, "a disk that is full");
}

static void
await_room(Guest *guest)
{
    gint64 begin = g_get_monotonic_time();

    drop_ballast();
    wait_for(&guest->goes_on, "a machine that goes on");
    told("it went on", begin);
}

static void
start_on_small(Guest *guest, const char *name, guint nth)
{
    g_autofree char *small = path_of("small"), *state = path_of("state");

    guest_init(guest, name, nth, small);
    guest_start(guest, state);
    guest_greet(guest);
}

static void
test_stalled(void)
{
    Guest guest;

    make_small();
    start_on_small(&guest, STALLED, 0);
    put_ballast();
    fill_disk(&guest);
    pass_time(3);
    g_assert_cmpuint(guest.stalls, ==, 1);
    await_room(&guest);
    g_assert_cmpuint(guest.stalls, ==, 2);
    guest_ping(&guest);
    guest_destroy(&guest);
    remove_small();
}

/* Standing still, it ends as any other. */
static void
test_stalled_ends(void)
{
    Guest guest;

    make_small();
    start_on_small(&guest, STALLED, 0);
    put_ballast();
    fill_disk(&guest);
    guest_kill(&guest);
    guest_await_end(&guest, MACHINE_DIED);
    g_assert_cmpuint(guest.stalls, ==, 1);
    guest_destroy(&guest);
    drop_ballast();
    remove_small();
}

/* Somebody else resumes it; nobody is told twice. */
static void
test_libvirtd_away_while_stalled(void)
{
    const char *const resume[] = {"virsh", "-q", "-c", run.uri, "resume", STALLED, NULL};
    Guest guest;

    make_small();
    start_on_small(&guest, STALLED, 0);
    put_ballast();
    libvirtd("stop");
    guest_run(&guest, "dd if=/dev/urandom of=/fill bs=1M count=16 conv=fsync");
    pass_time(3);
    libvirtd("start");
    wait_for(&guest.is_stalled, "a disk that is full");
    drop_ballast();
    g_free(program(resume));
    wait_for(&guest.goes_on, "a machine that goes on");
    guest_ping(&guest);
    g_assert_cmpuint(guest.stalls, ==, 2);
    guest_destroy(&guest);
    remove_small();
}

/* --- the other life --- */

static void
suspend(const char *name)
{
    virConnectPtr connection = virConnectOpen(run.uri);
    virDomainPtr domain = connection ? virDomainLookupByName(connection, name) : NULL;

    g_assert_true(domain && virDomainSuspend(domain) == 0);
    virDomainFree(domain);
    virConnectClose(connection);
}

/* Tells processes of theirs on standard output, and waits to be killed. */
void
leave_machines(void)
{
    static Guest left, half, stray, other, stalled;
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);

    open_vm();
    guest_restore(&left, LEFT, 0);
    guest_restore(&half, HALF, 1);
    suspend(HALF);
    guest_restore(&stray, STRAY, 2);
    guest_restore(&other, OTHER, 3);
    start_on_small(&stalled, STALLED, 4);
    put_ballast();
    fill_disk(&stalled);
    g_print("left %d %d\n", (int)machine_pid(left.machine), (int)machine_pid(stalled.machine));
    g_main_loop_run(loop);
    g_assert_not_reached();
}

/* This program with other words. The driver that is embedded here keeps its folder to itself. */
static GSubprocess *
run_again(const char *how, const char *pids, GSubprocessFlags flags)
{
    g_autofree char *embedded = g_strdup_printf("qemu:///embed?root=%s/other-life", run.directory);
    const char *const argv[] = {
        "/proc/self/exe", how,  run.image, run.is_system ? run.uri : embedded,
        run.directory,    pids, NULL};
    GError *error = NULL;
    GSubprocess *process = g_subprocess_newv(argv, flags, &error);

    g_assert_no_error(error);
    return process;
}

/* Runs leave_machines() until all of them are there, and kills it. */
static char *
live_and_die(void)
{
    g_autoptr(GSubprocess) process = run_again("--leave", "", G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GDataInputStream) output = NULL;
    char *line = NULL;
    GError *error = NULL;

    output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    do {
        g_free(line);
        line = g_data_input_stream_read_line(output, /* length= */ NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_nonnull(line);
    } while (!g_str_has_prefix(line, "left "));
    g_subprocess_force_exit(process);
    g_subprocess_wait(process, /* cancellable= */ NULL, &error);
    g_assert_no_error(error);
    return line;
}

static int
sweep(void)
{
    Call call = {0};
    int swept;
    GError *error = NULL;

    vm_sweep_async(run.vm, "cloche-test-", on_done, &call);
    wait_for(&call.done, "a sweep");
    swept = vm_sweep_finish(run.vm, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    return swept;
}

static void
check_not_adoptable(const char *name)
{
    Guest guest;

    guest_init(&guest, name, 0, /* folder= */ NULL);
    g_assert_false(guest_adopt(&guest));
    guest_clear(&guest);
}

/* It is told that it stands still, and goes on when there is room. */
static void
adopt_stalled(Guest *guest, pid_t pid)
{
    g_autofree char *small = path_of("small");

    guest_init(guest, STALLED, 4, small);
    g_assert_true(guest_adopt(guest));
    g_assert_cmpint(machine_pid(guest->machine), ==, pid);
    g_assert_true(guest->is_stalled);
    await_room(guest);
    guest_greet(guest);
    guest_ping(guest);
}

/* It is heard of from libvirtd's next life on, too. */
static void
restart_libvirtd(Guest *guest)
{
    libvirtd("stop");
    libvirtd("start");
    guest_ping(guest);
}

void
adopt_machines(const char *pids)
{
    Guest left, stalled, other;
    int left_pid, stalled_pid;

    g_assert_cmpint(sscanf(pids, "left %d %d", &left_pid, &stalled_pid), ==, 2);
    open_vm();
    guest_init(&left, LEFT, 0, /* folder= */ NULL);
    g_assert_true(guest_adopt(&left));
    g_assert_cmpint(machine_pid(left.machine), ==, left_pid);
    guest_greet(&left);
    adopt_stalled(&stalled, stalled_pid);
    check_not_adoptable(HALF);
    check_not_adoptable("cloche-test-never");

    g_assert_cmpint(sweep(), ==, 2); /* HALF and STRAY */
    guest_ping(&left);
    guest_ping(&stalled);
    check_not_adoptable(STRAY);
    guest_init(&other, OTHER, 3, /* folder= */ NULL);
    g_assert_true(guest_adopt(&other));
    guest_destroy(&other);

    if (run.is_system)
        restart_libvirtd(&left);
    guest_kill(&left);
    guest_await_end(&left, MACHINE_DIED);
    guest_destroy(&left);
    guest_destroy(&stalled);
    close_vm();
}

static void
test_adoption(void)
{
    g_autofree char *pids = NULL;
    g_autoptr(GSubprocess) process = NULL;
    Call call = {0};
    GError *error = NULL;

    make_small();
    reaper_expect(); /* of machines that another process starts: when it dies they are ours */
    pids = live_and_die();
    process = run_again("--adopt", pids, G_SUBPROCESS_FLAGS_NONE);
    g_subprocess_wait_check_async(process, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "another life");
    g_subprocess_wait_check_finish(process, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    reaper_expect_no_more();
    remove_small();
}

/* It goes on for the next life, which may be of the same process. */
static void
test_leave(void)
{
    Guest guest;
    pid_t pid;

    guest_restore(&guest, LEFT, 0);
    pid = machine_pid(guest.machine);
    machine_leave(guest.machine);
    g_assert_true(guest_adopt(&guest));
    g_assert_cmpint(machine_pid(guest.machine), ==, pid);
    guest_greet(&guest);
    guest_destroy(&guest);
}

/* A machine of this life is not swept. */
static void
test_sweep(void)
{
    Guest guest;

    guest_restore(&guest, "cloche-test-mine", 0);
    g_assert_cmpint(sweep(), ==, 0);
    guest_ping(&guest);
    guest_destroy(&guest);
    g_assert_cmpint(sweep(), ==, 0);
}

void
add_tests_of_survival(void)
{
    g_test_add_func("/vm/survival/stalled", test_stalled);
    g_test_add_func("/vm/survival/stalled-ends", test_stalled_ends);
    g_test_add_func("/vm/survival/leave", test_leave);
    g_test_add_func("/vm/survival/sweep", test_sweep);
    g_test_add_func("/vm/survival/adoption", test_adoption);
    if (run.is_system)
        g_test_add_func("/vm/survival/libvirtd-away-while-stalled",
                        test_libvirtd_away_while_stalled);
}
