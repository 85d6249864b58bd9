/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-survival: machines survive the process that started them, and pause while their disk is full.
 *
 * That process is a second instance of this program, which is killed, because only one process can
 * have libvirt's embedded driver open.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "folder.h"
#include "util.h"
#include "vm-guest.h"

#define LEFT "cloche-test-left"       /* runs */
#define HALF "cloche-test-half"       /* was suspended, if libvirtd makes machines */
#define STALLED "cloche-test-stalled" /* waits for room on its disk */
#define STRAY "cloche-test-stray"     /* runs, and nobody wants it */
#define OTHER "cloche-other"          /* begins otherwise */

#define SMALL "state/machines/test-stalled" /* of STALLED */
#define SMALL_BYTES ((off_t)96 << 20)       /* the file system of a disk that gets full */
#define SMALL_LEFT ((off_t)8 << 20)         /* what the ballast leaves of it */

/* --- a full disk --- */

static void
make_small(void)
{
    g_autofree char *small = path_of(SMALL), *options = NULL;

    options = g_strdup_printf("size=%ld,mode=711", (long)SMALL_BYTES);
    g_assert_true(folder_make(small, 0711, /* error= */ NULL));
    g_assert_cmpint(mount("cloche-test", small, "tmpfs", MS_NOSUID, options), ==, 0);
}

static void
remove_small(void)
{
    g_autofree char *small = path_of(SMALL);

    g_assert_cmpint(umount2(small, MNT_DETACH), ==, 0);
    g_assert_cmpint(g_rmdir(small), ==, 0);
}

static void
put_ballast(void)
{
    g_autofree char *ballast = path_of(SMALL "/ballast");
    int fd = open(ballast, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(posix_fallocate(fd, 0, SMALL_BYTES - SMALL_LEFT), ==, 0);
    close(fd);
}

static void
drop_ballast(void)
{
    g_autofree char *ballast = path_of(SMALL "/ballast");

    g_assert_cmpint(g_unlink(ballast), ==, 0);
}

/* Writes more than the free space. There is space when the ballast is removed. */
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
    g_autofree char *state = path_of("state-file");

    guest_init(guest, name, nth);
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
    guest_refuse_capture(&guest, CLOCHE_ERROR_BUSY);
    await_room(&guest);
    g_assert_cmpuint(guest.stalls, ==, 2);
    guest_ping(&guest);
    guest_destroy(&guest);
    remove_small();
}

/* A stalled machine ends like any other. */
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

/* Another client resumes the machine, and each change is reported once. */
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

/* --- the second instance --- */

/* libvirt's embedded driver takes orders from its own process only. */
static void
suspend(const char *name)
{
    const char *const argv[] = {"virsh", "-q", "-c", run.uri, "suspend", name, NULL};

    if (run.is_system)
        g_free(program(argv));
}

/* Prints the pids of two machines on standard output, and waits to be killed. */
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
GSubprocess *
run_again(const char *how, const char *words, GSubprocessFlags flags)
{
    g_autofree char *embedded = g_strdup_printf("qemu:///embed?root=%s/other-life", run.directory);
    const char *const argv[] = {
        "/proc/self/exe", how,   run.image, run.is_system ? run.uri : embedded,
        run.directory,    words, NULL};
    GError *error = NULL;
    GSubprocess *process = g_subprocess_newv(argv, flags, &error);

    g_assert_no_error(error);
    return process;
}

/* Runs leave_machines() until all machines exist, and kills it. */
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

    guest_init(&guest, name, 0);
    g_assert_false(guest_adopt(&guest));
    guest_clear(&guest);
}

/* The adoption reports that the machine is stalled. It continues when there is space. */
static void
adopt_stalled(Guest *guest, pid_t pid)
{
    guest_init(guest, STALLED, 4);
    g_assert_true(guest_adopt(guest));
    g_assert_cmpint(machine_pid(guest->machine), ==, pid);
    g_assert_true(guest->is_stalled);
    await_room(guest);
    guest_greet(guest);
    guest_ping(guest);
}

/* The end of the machine is reported after a restart of libvirtd, too. */
static void
restart_libvirtd(Guest *guest)
{
    libvirtd("stop");
    libvirtd("start");
    guest_ping(guest);
}

/* Somebody has suspended it: it goes on, as one that was held. */
static void
adopt_half(void)
{
    Guest guest;

    guest_init(&guest, HALF, 1);
    g_assert_true(guest_adopt(&guest));
    g_assert_true(guest.is_stalled);
    wait_for(&guest.goes_on, "a machine that was suspended");
    machine_leave(guest.machine);
    guest_clear(&guest);
}

void
adopt_machines(const char *pids)
{
    Guest left, stalled, other;
    int left_pid, stalled_pid;

    g_assert_cmpint(sscanf(pids, "left %d %d", &left_pid, &stalled_pid), ==, 2);
    open_vm();
    guest_init(&left, LEFT, 0);
    g_assert_true(guest_adopt(&left));
    g_assert_cmpint(machine_pid(left.machine), ==, left_pid);
    guest_greet(&left);
    adopt_stalled(&stalled, stalled_pid);
    if (run.is_system)
        adopt_half();
    check_not_adoptable("cloche-test-never");

    g_assert_cmpint(sweep(), ==, 2); /* HALF and STRAY */
    guest_ping(&left);
    guest_ping(&stalled);
    check_not_adoptable(STRAY);
    guest_init(&other, OTHER, 3);
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
    pids = live_and_die();
    process = run_again("--adopt", pids, G_SUBPROCESS_FLAGS_NONE);
    g_subprocess_wait_check_async(process, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "another life");
    g_subprocess_wait_check_finish(process, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    remove_small();
}

/* A machine that was left continues, and the same process may adopt it, too. */
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

/* A machine of this instance is not swept. */
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

/* --- cloche-vm --- */

static void
kill_service(void)
{
    g_assert_cmpint(kill(service_pid(), SIGKILL), ==, 0);
}

/* Its end ends no machine, and its next life tells of one that ended meanwhile. */
static void
test_service_killed(void)
{
    Guest victim, survivor, next;

    guest_restore(&victim, "cloche-test-victim", 0);
    guest_restore(&survivor, "cloche-test-survivor", 1);
    kill_service();
    guest_kill(&victim);
    guest_await_end(&victim, MACHINE_DIED);
    guest_ping(&survivor);
    g_assert_cmpint(sweep(), ==, 0);
    guest_restore(&next, "cloche-test-next", 2);
    guest_ping(&survivor);
    guest_destroy(&next);
    guest_destroy(&victim);

    guest_kill(&survivor);
    guest_await_end(&survivor, MACHINE_DIED);
    guest_destroy(&survivor);
}

static void
test_service_killed_before_destroy(void)
{
    Guest guest;

    guest_restore(&guest, "cloche-test-orphan", 0);
    kill_service();
    guest_destroy(&guest);
}

/* Whether it had come to life or not, nothing of it is left. */
static void
test_service_killed_during_start(void)
{
    g_autofree char *frozen = path_of(GUEST_DISK), *state = path_of("state-file");
    Guest guest;
    MachineSpec spec;
    Call call = {0};
    g_autoptr(GError) error = NULL;
    int fd = -1;

    guest_init(&guest, "cloche-test-unborn", 0);
    guest_make_disk(&guest, frozen, "qcow2");
    spec = guest_spec(&guest, state);
    g_assert_true(access_grant(spec.ram, guest.uid, "rw", &error));
    vm_start_async(run.vm, &spec, &guest_events, &guest, /* cancellable= */ NULL, on_done, &call);
    g_usleep(50000); /* libvirt is about it, then */
    kill_service();
    wait_for(&call.done, "a start that must fail");
    g_assert_null(vm_start_finish(run.vm, call.result, &fd, &error));
    g_test_message("as it should be: %s", error->message);
    g_assert_nonnull(strstr(error->message, "the connection to cloche-vm was lost"));
    g_assert_cmpint(sweep(), ==, 0);
    g_assert_false(g_file_test(spec.socket, G_FILE_TEST_EXISTS));
    g_assert_true(access_revoke(spec.ram, guest.uid, /* error= */ NULL));
    g_object_unref(call.result);
    spec_clear(&spec);
    guest_clear(&guest);
}

void
add_tests_of_survival(void)
{
    g_test_add_func("/vm/service/killed", test_service_killed);
    g_test_add_func("/vm/service/killed-before-destroy", test_service_killed_before_destroy);
    g_test_add_func("/vm/service/killed-during-start", test_service_killed_during_start);
    g_test_add_func("/vm/survival/stalled", test_stalled);
    g_test_add_func("/vm/survival/stalled-ends", test_stalled_ends);
    g_test_add_func("/vm/survival/leave", test_leave);
    g_test_add_func("/vm/survival/sweep", test_sweep);
    g_test_add_func("/vm/survival/adoption", test_adoption);
    if (run.is_system)
        g_test_add_func("/vm/survival/libvirtd-away-while-stalled",
                        test_libvirtd_away_while_stalled);
}
